//! Examples in the help of commands. A test parses each, and asks that every command has some.

pub(super) const ROUSE: &str = "Examples:
  rouse demo                           a tour in under a minute
  rouse up -d                          start the platform on this machine
  rouse deploy hello --source .        build and deploy the folder
  rouse call hello                     send it a request";

pub(super) const UP: &str = "Examples:
  rouse up -d                            in the background
  rouse up --runtime process             pods are processes, also where Docker is there
  rouse up --bind 0.0.0.0                services answer other machines, at names of sslip.io
  rouse up --bind 0.0.0.0 --http-port 80 --https-port 443 --domain models.example.com
  rouse up --ephemeral --data-dir /tmp/try   nothing stays";

pub(super) const DOWN: &str = "Examples:
  rouse down             stop; the next rouse up goes on from there
  rouse down --purge     and remove its state";

pub(super) const STATUS: &str = "Examples:
  rouse status
  rouse status -o json   for programs";

pub(super) const TOP: &str = "Examples:
  rouse top                  live
  rouse top -A --once        of all namespaces, once
  rouse top -o json          once, for programs";

pub(super) const ENV: &str = "Examples:
  eval \"$(rouse env)\"        kubectl, helm and kn now talk to this platform
  rouse env -o json";

pub(super) const DEPLOY: &str = "Examples:
  rouse deploy hello --source .                                a folder: Flask, FastAPI, a function, a Procfile
  rouse deploy hello --image hello:dev                         an image of the local Docker engine, or of a registry
  rouse deploy hello -e MODE=fast --cpu 2 --memory 1Gi         a change of a service that is there
  rouse deploy hello --min-instances 1 --max-instances 5 --concurrency 80
  rouse deploy hello --image hello:2 --no-traffic --tag next   a canary; then rouse traffic hello next=10
  rouse deploy hello --update-secrets KEY=api:token,/etc/tls=web   a variable and files of Secrets
  rouse deploy hello --no-allow-unauthenticated                close it; then rouse invokers add hello serviceAccount:robot
  rouse deploy hello --image hello:2 --dry-run                 what would be sent";

pub(super) const BUILD: &str = "Examples:
  rouse build . -t hello                          the folder, as the image hello
  rouse build . -t hello:2 --function predict     one function of several in main.py
  rouse build target/release/server -t server     one executable";

pub(super) const TRAFFIC: &str = "Examples:
  rouse traffic hello next=10                    10 % to the tag; the others share the rest as before
  rouse traffic hello hello-00001=50 @latest=50
  rouse traffic hello --to-latest                all to the latest revision, and to each later one
  rouse traffic hello --tag hello-00001=stable   a host of its own
  rouse traffic hello --untag stable";

pub(super) const PREDICT: &str = "Examples:
  rouse predict churn --input rows.jsonl --out scores.jsonl       POST /v1/models/churn:predict, 64 rows each
  rouse predict churn --input rows.csv --key customer             a column that names the row
  rouse predict churn --input rows.csv --protocol v2 --model m    tensors of the Open Inference Protocol
  rouse predict hello --input rows.jsonl --protocol row --path /  each row a request of its own";

pub(super) const CALL: &str = "Examples:
  rouse call hello                                      GET /
  rouse call hello /predict -d '{\"x\": 1}'               POST; @FILE and @- are read
  rouse call hello / -X PUT -i -H 'X-Trace: 1' -d text  with the answer's status and headers
  rouse call hello --tag next                           the revision behind a tag
  rouse call hello --event shop.order.created -d '{\"id\": 1}'   a CloudEvent
  rouse call hello --count 1000 --parallel 20           how they were answered, by revision and status";

pub(super) const PROXY: &str = "Examples:
  rouse proxy hello                    http://127.0.0.1:8080 is the service
  rouse proxy hello -p 9000 --tag next
  rouse proxy hello --token @token.txt   with a bearer token for requests that have none";

pub(super) const INVOKERS: &str = "Examples:
  rouse invokers list hello
  rouse invokers remove hello allUsers            close it
  rouse invokers add hello serviceAccount:robot   and let one account call";

pub(super) const INVOKERS_ADD: &str = "Examples:
  rouse invokers add hello serviceAccount:robot serviceAccount:web@shop
  rouse invokers add hello user:ada@example.org --issuer https://accounts.google.com
  rouse invokers add hello key:ci                  prints an API key, this once
  rouse invokers add hello cidr:10.0.0.0/8         calls may come from there only";

pub(super) const INVOKERS_REMOVE: &str = "Examples:
  rouse invokers remove hello allUsers
  rouse invokers remove hello key:ci cidr:10.0.0.0/8";

pub(super) const INVOKERS_LIST: &str = "Examples:
  rouse invokers list hello
  rouse invokers list hello -o json";

pub(super) const TOKEN: &str = "Examples:
  rouse token hello                                  for that service
  rouse token hello --service-account robot --duration 30m
  rouse token --audience https://hello.example.org";

pub(super) const LIST: &str = "Examples:
  rouse list
  rouse list -A -o wide        of all namespaces, with images and traffic
  rouse list -w                and each that changes
  rouse list -o name -l team=blue";

pub(super) const GET: &str = "Examples:
  rouse get                        services
  rouse get pods -w                pods, and each that changes
  rouse get revision hello-00001 -o yaml
  rouse get configmaps -n knative-serving";

pub(super) const APPLY: &str = "Examples:
  rouse apply -f service.yaml
  rouse apply -f manifests/ -f more.yaml
  rouse apply -f - --dry-run       what would change
  rouse apply -f service.yaml -n shop";

pub(super) const DESCRIBE: &str = "Examples:
  rouse describe hello
  rouse describe hello -o yaml     the whole object";

pub(super) const REVISIONS: &str = "Examples:
  rouse revisions hello
  rouse revisions hello -o json";

pub(super) const DELETE: &str = "Examples:
  rouse delete hello
  rouse delete hello goodbye -n shop";

pub(super) const IMAGES: &str = "Examples:
  rouse images                     what the local store holds, and what uses it
  rouse images import app.tar
  rouse images prune --dry-run";

pub(super) const IMAGES_LIST: &str = "Examples:
  rouse images list
  rouse images ls -o json";

pub(super) const IMAGES_IMPORT: &str = "Examples:
  rouse images import app.tar
  docker save app:dev | rouse images import -
  rouse images import app.tar -t app:2";

pub(super) const IMAGES_RM: &str = "Examples:
  rouse images rm hello:dev
  rouse images rm hello:dev --force   also where a Revision uses it";

pub(super) const IMAGES_PRUNE: &str = "Examples:
  rouse images prune
  rouse images prune --dry-run --older-than 24h";

pub(super) const EXPLAIN: &str = "Examples:
  rouse explain hello
  rouse explain hello -o json";

pub(super) const COST: &str = "Examples:
  rouse cost                        all services of the namespace, by the default book
  rouse cost hello --book run-instance
  rouse cost compare hello          the same use by every price book
  rouse cost --prices mine.yaml     by your own prices";

pub(super) const COST_COMPARE: &str = "Examples:
  rouse cost compare
  rouse cost compare hello --month 2026-11";

pub(super) const COST_PRICES: &str = "Examples:
  rouse cost prices > mine.yaml";

pub(super) const DEMO: &str = "Examples:
  rouse demo
  rouse demo --runtime docker
  rouse demo --stop            remove what it made";

pub(super) const DOCTOR: &str = "Examples:
  rouse doctor
  rouse doctor -o json";

pub(super) const COMPLETIONS: &str = "Examples:
  source <(rouse completions bash)
  rouse completions zsh > ~/.zfunc/_rouse
  rouse completions fish > ~/.config/fish/completions/rouse.fish";
