# The sessions: each a function that makes what it needs, and runs on its own.
session() {
    printf '\n== %s (%ss)\n' "$*" "$SECONDS"
    "$@"
}

# Start something with the lowest priority, and print its output when it is waited for. It leads a process group, which
# is ended as a whole.
in_background() {
    set -m
    { renice -n 19 -p "$BASHPID" >/dev/null || true; set +m; "$@"; } </dev/null >"$scratch/$*.log" 2>&1 &
    set +m
    started["$*"]=$!
}
declare -A started
wait_for() {
    wait "${started["$*"]}" || { cat "$scratch/$*.log"; echo "!! $* failed"; exit 1; }
    cat "$scratch/$*.log"
}

# The README's commands, with `python3` as the newest Python. Frequent thread switches reveal races. Python 3.13 counts
# covered lines in 1.04 times the time of the tests, where Python 3.11 takes 1.78 times.
readme_command() {
    local newest
    newest=$(python_of 3.13) || { echo "!! python3 is used instead."; newest=$(command -v python3); }
    mkdir -p "$scratch/newest"
    printf '#!/bin/sh\nexec "%s" "$@"\n' "$newest" >"$scratch/newest/python3"
    chmod +x "$scratch/newest/python3"
    PATH="$scratch/newest:$PATH" bash -c "$(sed -n '/^```sh test$/,/^```$/{/^```/d;p}' README.md) $*"
}
tests() {
    descriptions
    export COVERAGE_FILE="$scratch/coverage" COVERAGE_CORE=sysmon
    readme_command --cov --cov-report= --switch-interval 1e-5 --dist worksteal
    .venv/bin/python .ci/coverage_floor.py --total 95 --file 80
    unset COVERAGE_FILE COVERAGE_CORE
}

slow() {
    descriptions
    [ -d .venv ] || readme_command --collect-only --quiet >/dev/null
    # Some tests wait, so one more worker than cores. Each imports only the files that have a slow test, in half the time.
    local -a files
    mapfile -t files < <(grep -rlE "mark\.slow|import fuzzed" tests --include "test_*.py")
    .venv/bin/python -m pytest -m slow --numprocesses 3 --dist worksteal --quiet -p no:cacheprovider "${files[@]}"
}

gates() {
    local bin=$scratch/static/bin
    once static_environment
    "$bin/ruff" check
    "$bin/ruff" format --check
    "$bin/python" docs/_make/functions.py --check
    "$bin/python" docs/_make/evidence.py
    "$bin/mypy"
    "$bin/mypy" tests/typed_public_names.py
    "$bin/lint-imports" --no-cache
}

docs() {
    local bin=$scratch/static/bin
    once static_environment
    "$bin/sphinx-build" -W --keep-going -n -q -b html docs "$scratch/site"
    local -a files
    mapfile -t files < <(grep -rl "mark.tools" tests --include "test_*.py")
    "$bin/python" -m pytest -m tools --quiet -p no:cacheprovider "${files[@]}"
}

# Test the installed wheel outside of the checkout. The oldest version has the tests that the newest has, but for those
# that are needed once; the other has those of the readers of other projects. The workers share what the first compiles.
wheel() {
    local -a options=(--quiet -p no:cacheprovider) files=(tests)
    descriptions
    once wheel_environment "$1"
    case $1 in
        3.11)
            options+=(-m "not slow and not once" --numprocesses 3 --dist worksteal)
            mapfile -t -O "${#options[@]}" options < <(grep -rl "^pytestmark = \[*pytest.mark.once" tests | sed "s/^/--ignore=/")
            ;;
        *) mapfile -t files < <(grep -rl "mark.readers" tests --include "test_*.py"); options+=(-m "not slow and readers") ;;
    esac
    (cd "$scratch/away-$1" && "$scratch/$1/bin/python" -m pytest "${options[@]}" "${files[@]}")
}
