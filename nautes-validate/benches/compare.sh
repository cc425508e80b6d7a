#!/usr/bin/env bash
# Times the schema check alone against kubernetes-validate (PyPI), on the same manifests and the same schemas.
#
#   compare.sh RESOURCES FOLDER
#
# needs a release build of `nautes` (NAUTES, else target/release/nautes) and Python 3; FOLDER is made and may be
# removed afterwards. Prints user and system seconds of whole processes, in turn, five times.
set -euo pipefail
count=${1:?how many resources} folder=${2:?a folder}
here=$(cd "$(dirname "$0")/../.." && pwd)
nautes=${NAUTES:-$here/target/release/nautes}

mkdir -p "$folder"
[ -x "$folder/python/bin/kubernetes-validate" ] || {
  python3 -m venv "$folder/python"
  "$folder/python/bin/pip" install --quiet kubernetes-validate
}
[ -e "$folder/tree" ] || "$nautes" generate "$count" --out "$folder/tree" --bundled

# The schemas of the kinds, where kubernetes-validate looks for those of Kubernetes.
"$folder/python/bin/python" - "$here/docs/reference/crds" <<'PYTHON'
import json, pathlib, sys, yaml, importlib_resources
from kubernetes_validate import utils
home = importlib_resources.files("kubernetes_validate").joinpath("kubernetes-json-schema")
home = pathlib.Path(str(home)) / f"v{utils.latest_version()}-local"
for file in pathlib.Path(sys.argv[1]).glob("*.yaml"):
    for crd in yaml.safe_load_all(file.read_text()):
        if crd and crd["kind"] == "CustomResourceDefinition":
            schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            name = f"{crd['spec']['names']['kind'].lower()}-nautes-v1alpha1.json"
            (home / name).write_text(json.dumps(schema))
PYTHON

files=$(find "$folder/tree" -name '*.yaml' | sort)
TIMEFORMAT='%U + %S s'
for turn in 1 2 3 4 5; do
  printf 'nautes validate (schema, graph, all rules): '
  time "$nautes" validate -f "$folder/tree" >/dev/null 2>&1
  printf 'kubernetes-validate (schema alone): '
  # shellcheck disable=SC2086
  time "$folder/python/bin/kubernetes-validate" --quiet $files >/dev/null
done
