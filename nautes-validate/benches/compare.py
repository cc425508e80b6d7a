#!/usr/bin/env python3
"""Times `nautes validate` beside programs that check manifests against JSON schemas.

    cargo build --release && nautes-validate/benches/compare.py [COUNT]

Everybody gets the same files: a generated platform of about COUNT resources (1000), one file each, and the same
schemas, those of docs/reference/crds. The programs come from PyPI, into a folder of the build. They run by turns,
each as a whole process; the least processor time of the rounds counts. Before, each must refuse a file that its
schema forbids. `nautes validate` also checks references, permissions and every other rule; the others do not.
"""

import json
import os
import pathlib
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAUTES = ROOT / "target" / "release" / "nautes"
WORK = ROOT / "target" / "compare"
PACKAGES = ["kubernetes-validate==1.37.0", "check-jsonschema==0.39.0"]
ROUNDS = 5


def installed():
    """Makes the environment of the other programs and returns its folder of programs."""
    home = WORK / "venv"
    if not (home / "bin" / "check-jsonschema").exists():
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin" / "pip", "install", "--quiet", *PACKAGES], check=True)
    return home / "bin"


def plain(schema):
    """Turns a schema of a definition into one of JSON Schema: what only Kubernetes knows goes."""
    if isinstance(schema, list):
        return [plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: plain(value) for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if schema.get("x-kubernetes-int-or-string") is True:
        out["type"] = ["integer", "string"]
    if out.pop("nullable", False) is True and isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
    if "properties" in out and not schema.get("x-kubernetes-preserve-unknown-fields"):
        out.setdefault("additionalProperties", False)
    return out


def schemas(bins):
    """Writes the schemas, for one program by name and for the other into its own folder; returns them by kind."""
    read = "import json,sys,yaml; print(json.dumps([yaml.safe_load(open(f)) for f in sys.argv[1:]]))"
    files = sorted((ROOT / "docs" / "reference" / "crds").glob("*.yaml"))
    text = subprocess.run([bins / "python", "-c", read, *files], check=True, capture_output=True).stdout
    where = "import kubernetes_validate as k, os; print(os.path.dirname(k.__file__))"
    package = subprocess.run([bins / "python", "-c", where], check=True, capture_output=True, text=True).stdout.strip()
    own = next(p for p in pathlib.Path(package, "kubernetes-json-schema").iterdir() if p.name == "v1.37.0-local")
    by_kind = {}
    for definition in json.loads(text):
        kind = definition["spec"]["names"]["kind"]
        schema = plain(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
        schema |= {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:{kind}"}
        # The definition says nothing of these; an API server knows them.
        schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}}
        by_kind[kind] = WORK / f"{kind}.json"
        by_kind[kind].write_text(json.dumps(schema))
        (own / f"{kind.lower()}-nautes-v1alpha1.json").write_text(json.dumps(schema))
    return by_kind


def spent(command, expect):
    """Runs a command and returns the processor time of it and its children, and how long it took, in seconds."""
    before = os.times()
    code = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    after = os.times()
    if (code == 0) != expect:
        sys.exit(f"{command[0]} ended with {code}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return cpu, after.elapsed - before.elapsed


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    WORK.mkdir(parents=True, exist_ok=True)
    bins = installed()
    by_kind = schemas(bins)
    tree = WORK / f"platform-{count}"
    if not tree.exists():
        subprocess.run([NAUTES, "generate", str(count), "--out", tree], check=True, stdout=subprocess.DEVNULL)
    files = {}
    for file in sorted(tree.rglob("*.yaml")):
        kind = next((l[6:].strip() for l in file.read_text().splitlines() if l.startswith("kind: ")), None)
        if kind in by_kind:
            files.setdefault(kind, []).append(file)
    everything = [file for of_kind in files.values() for file in of_kind]

    def by_schema(files):
        return [[bins / "check-jsonschema", "--schemafile", by_kind[k], *of] for k, of in files.items()]

    programs = {
        "nautes validate": lambda files, whole: [
            [NAUTES, "validate", "-f", *([tree] if whole else [f for of in files.values() for f in of])]
        ],
        "check-jsonschema": lambda files, whole: by_schema(files),
        "kubernetes-validate": lambda files, whole: [
            [bins / "kubernetes-validate", "-k", "1.37", *[f for of in files.values() for f in of]]
        ],
    }
    bad = WORK / "bad.yaml"
    text = files["Cluster"][0].read_text()
    bad.write_text(text.replace("usage: ", "usage: no"))
    for commands in programs.values():
        for command in commands({"Cluster": [bad]}, False):
            spent(command, expect=False)
    least = {}
    for _ in range(ROUNDS):
        for name, commands in programs.items():
            runs = [spent(command, expect=True) for command in commands(files, True)]
            total = tuple(map(sum, zip(*runs)))
            least[name] = min(least.get(name, total), total)
    size = sum(file.stat().st_size for file in everything) / 1e6
    print(f"{len(everything)} files, {size:.1f} MB, least of {ROUNDS} rounds by turns\n")
    print("| program | processor time | time | times nautes |\n|---|---|---|---|")
    for name, (cpu, wall) in least.items():
        print(f"| {name} | {cpu:.2f} s | {wall:.2f} s | {cpu / least['nautes validate'][0]:.0f} |")


if __name__ == "__main__":
    main()
