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
