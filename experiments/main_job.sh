#!/usr/bin/env bash
# The numbers of the README's main table: one run per setting and seed, one result file each.
# Resumable: a setting whose result file exists is not run again. Usage: experiments/main_job.sh [PATTERN]
set -euo pipefail
cd "$(dirname "$0")/.."
data=${UNCHAFF_DATA:-../shared/data}
unchaff=${UNCHAFF:-.venv/bin/unchaff}
results=experiments/main_job

cell() { # name seed arguments...
    local name=$1 seed=$2
    shift 2
    local result=$results/$name-seed$seed.json
    if [[ -e $result || ! $name =~ ${pattern:-.} ]]; then return; fi
    local run
    run=$(mktemp -d)
    echo "== $name, seed $seed: unchaff repair $* --seed $seed"
    $unchaff repair "$@" --seed "$seed" --out "$run/run" | tail -n 22
    mkdir -p $results
    python3 - "$run/run" "$result" "${*//$data/DATA} --seed $seed" <<'PY'
import json, os, pathlib, sys
run, result, command = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
metrics = json.loads((run / "metrics.json").read_text())
manifest = json.loads((run / "manifest.json").read_text())
for part in (metrics.get("calibration") or {},):
    part.pop("bins", None)
for scores in (metrics["before"], metrics["after"], *metrics["controls"].values()):
    if scores:
        scores.pop("per_class", None)
kept = {key: manifest[key] for key in ("versions", "hardware") if key in manifest}
commit = os.popen("git rev-parse --short HEAD").read().strip()
aside = result.with_suffix(".part")
aside.write_text(json.dumps({"command": f"unchaff repair {command}", "commit": commit, **kept, **metrics}, indent=1) + "\n")
aside.rename(result)
PY
    rm -rf "$run"
}

pattern=${1:-}
for seed in 0 1 2 3 4; do
    cell digits-symmetric-0.4 $seed digits --noise symmetric:0.4 --controls all
    cell digits-clean $seed digits --controls quick
done
for seed in 0 1 2; do
    cell speech-gaussian-0.5 $seed "$data/speech_commands" --noise gaussian:0.5
    cell spoken-digits-clean $seed "$data/spoken_digits"
done
