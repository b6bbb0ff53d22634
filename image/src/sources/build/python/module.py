"""Prints the top-level definitions of a Python module as JSON, without running it."""

import ast
import json
import sys


def dotted(node):
    """`a.b.c` of a name, an attribute or the callee of a call, else None."""
    if isinstance(node, ast.Call):
        return dotted(node.func)
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else None
    return None


def annotation(node):
    """The outermost name of an annotation: `dict` of `dict[str, Any]`."""
    if isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.split("[")[0]
    return dotted(node) if node is not None else None


def is_main_guard(node):
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare):
        return False
    sides = [node.test.left, *node.test.comparators]
    return any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)


class Module:
    def __init__(self, tree):
        self.aliases, self.packages = {}, set()
        self.functions, self.apps, self.names, self.calls = [], [], set(), []
        self.guard, self.used = False, set()
        for node in tree.body:
            self.statement(node)

    def resolved(self, name):
        """A dotted name, its first part replaced by the import that it names."""
        if not name:
            return None
        first, _, rest = name.partition(".")
        first = self.aliases.get(first, first)
        return f"{first}.{rest}" if rest else first

    def statement(self, node):
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.packages.add(alias.name.split(".")[0])
                self.aliases[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            if node.module and not node.level:
                self.packages.add(node.module.split(".")[0])
            for alias in node.names:
                self.aliases[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"
                self.names.add(alias.asname or alias.name)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self.function(node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            self.assignment(node)
        elif is_main_guard(node):
            self.guard = True
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            for inner in node.body + getattr(node, "orelse", []) + getattr(node, "finalbody", []):
                self.statement(inner)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self.calls.append(self.resolved(dotted(node.value)) or "")
        elif isinstance(node, ast.ClassDef):
            self.names.add(node.name)

    def function(self, node):
        own = node.args.posonlyargs + node.args.args
        required = len(own) - len(node.args.defaults)
        self.names.add(node.name)
        self.functions.append({
            "name": node.name,
            "parameters": [{"name": arg.arg, "kind": self.resolved(annotation(arg.annotation))} for arg in own],
            "required": required,
            "takes_more": node.args.vararg is not None,
            "decorators": [self.resolved(dotted(decorator)) or "" for decorator in node.decorator_list],
        })
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and inner.id != node.name:
                self.used.add(inner.id)

    def assignment(self, node):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if not isinstance(target, ast.Name):
                continue
            self.names.add(target.id)
            if isinstance(node.value, ast.Call):
                self.apps.append({"name": target.id, "call": self.resolved(dotted(node.value)) or ""})
            elif isinstance(node.value, ast.Attribute):
                self.apps.append({"name": target.id, "call": self.resolved(dotted(node.value)) or ""})


def dependencies(path):
    """`project.dependencies` of a pyproject.toml, or why they cannot be read."""
    try:
        import tomllib
    except ImportError:
        return None, "reading pyproject.toml needs Python 3.11 or newer; write requirements.txt"
    try:
        with open(path, "rb") as file:
            project = tomllib.load(file)
    except FileNotFoundError:
        return None, None
    except tomllib.TOMLDecodeError as error:
        return None, f"pyproject.toml: {error}"
    if "project" in project:
        return [str(item) for item in project["project"].get("dependencies", [])], None
    if "poetry" in project.get("tool", {}):
        return None, "its dependencies are Poetry's own; write them with `poetry export -o requirements.txt`"
    return None, None


def main():
    source, project = sys.argv[1], sys.argv[2]
    listed, problem = dependencies(project) if project else (None, None)
    said = {"dependencies": listed, "problem": problem}
    if source:
        try:
            with open(source, "rb") as file:
                module = Module(ast.parse(file.read(), source))
            said |= {
                "functions": module.functions, "apps": module.apps, "names": sorted(module.names),
                "packages": sorted(module.packages), "calls": module.calls, "guard": module.guard,
                "used": sorted(module.used),
                "imported": sorted(name for name in ("app", "application") if name in module.aliases),
            }
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            text = (getattr(error, "text", None) or "").strip()
            where = f", line {line}" if line else ""
            said["syntax"] = f"{where}: {getattr(error, 'msg', error)}{f': {text}' if text else ''}"
    print(json.dumps(said))


main()
