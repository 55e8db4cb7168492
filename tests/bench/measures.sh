# measures.sh - what benches of a living cluster share: . measures.sh, with $work, and docket's commands in PATH

say() { printf '%-16s %s\n' "$1" "$2"; }

wait_for() { # SECONDS COMMAND...: until the command succeeds
    local i
    for i in $(seq $(($1 * 100))); do
        "${@:2}" >/dev/null 2>&1 && return 0
        sleep 0.01
    done
    echo "waited in vain: ${*:2}" >&2
    return 1
}

first_lines() { # COUNT: one after the other, from the submission to the script's first line; says percentiles
    local i

    for i in $(seq "$1"); do
        printf '#!/bin/bash\necho $EPOCHREALTIME >%s\n' "$work/first.$i" >"$work/first.sh"
        echo "$EPOCHREALTIME" >"$work/began.$i"
        sbatch -o /dev/null "$work/first.sh" >/dev/null
        wait_for 20 test -s "$work/first.$i"
    done
    say start "submit to the first line of a script: $(python3 - "$work" <<'PYTHON'
import glob, sys
took = sorted(1000 * (float(open(path).read()) - float(open(path.replace("first.", "began.")).read()))
              for path in glob.glob(sys.argv[1] + "/first.[0-9]*"))
print("p50 %.1f p95 %.1f most %.1f ms of %d" % (took[len(took) // 2], took[len(took) * 95 // 100], took[-1], len(took)))
PYTHON
)"
}
