# shellcheck shell=bash
# What quickstart and test share: messages, packages of the system, the Python environment, Swift.
# Sourced, not run. The caller sets: program (its name), checkout, assume_yes (1: never ask).
: "${program:?}" "${checkout:?}" "${assume_yes:=0}"

venv=$checkout/.martlet/venv
onnxruntime_dir=$checkout/.martlet/onnxruntime
logs=$checkout/.martlet/logs
# The oldest Swift that builds Martlet.
swift_needed=6.3

# Everything that the build and the tools need from Debian, and why.
system_packages=(
    librocksdb-dev # storage
    libsnappy-dev  # compression of frames
    python3-venv   # the Python environment of the demo and the tests
)

say() {
    printf '%s\n' "$*"
}

step() {
    printf '\n== %s\n' "$*"
}

fail() {
    printf '%s: %s\n' "$program" "$*" >&2
    exit 1
}

# Runs a command with its output in a log; shows a line per ten seconds, or the log's tail if it fails.
# Usage: logged NAME COMMAND...
logged() {
    local name=$1 log pid began=$SECONDS shown=0
    shift
    mkdir -p "$logs"
    log=$logs/$name.log
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        if [ $((SECONDS - began - shown)) -ge 10 ]; then
            shown=$((SECONDS - began))
            printf '   %4d s  %s\n' "$shown" "$(tail -n 1 "$log" | tr -d '\r' | cut -c 1-90)"
        fi
    done
    if ! wait "$pid"; then
        tail -n 40 "$log" >&2
        printf '%s: this failed: %s\n  its whole log: %s\n' "$program" "$*" "$log" >&2
        return 1
    fi
}

# Runs a command up to three times, as logged does: a server or a lock may be in the way for a while.
# Usage: persistently NAME COMMAND...
persistently() {
    local attempt
    for attempt in 1 2 3; do
        if logged "$@"; then return 0; fi
        [ "$attempt" = 3 ] || sleep $((5 * attempt))
    done
    return 1
}

# Asks a yes-or-no question; a missing terminal counts as no.
confirmed() {
    local answer
    [ "$assume_yes" = 1 ] && return 0
    [ -t 0 ] || return 1
    read -r -p "$1 [y/N] " answer
    [[ $answer == [yY] || $answer == [yY][eE][sS] ]]
}

installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs the system packages that are missing, after a question where sudo is needed.
install_system_packages() {
    local package missing=() sudo=()
    # A mirror may be slow, and another program may hold the lock of dpkg.
    local patience=(-o Acquire::Retries=5 -o DPkg::Lock::Timeout=300)
    command -v apt-get >/dev/null ||
        fail "this is not Debian (no apt-get): install RocksDB 7 or later, snappy and Python 3.11 with
  their headers by your system's own means; Debian 12 is what Martlet is tested on"
    for package in "${system_packages[@]}"; do
        installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        say "Debian packages are there: ${system_packages[*]}"
        return
    fi
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            fail "these Debian packages are missing, and there is no sudo; as root, type
  apt-get update && apt-get install ${missing[*]}"
        sudo=(sudo)
        confirmed "Install ${missing[*]} with sudo apt-get?" ||
            fail "these Debian packages are missing; type
  sudo apt-get update && sudo apt-get install ${missing[*]}
  or start again with --yes"
    fi
    say "Installing Debian packages: ${missing[*]}"
    # The password is asked for here, not behind the log.
    [ ${#sudo[@]} -eq 0 ] || sudo --validate
    persistently apt-update "${sudo[@]}" apt-get "${patience[@]}" update ||
        say "apt-get update failed; trying with the lists that are there"
    persistently apt-install "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get "${patience[@]}" install --yes --no-install-recommends "${missing[@]}" ||
        fail "apt-get could not install ${missing[*]}"
}

# Makes the Python environment hold the requirements of the given files.
install_python_packages() {
    local stamp=$venv/.martlet-requirements wanted arguments=() file
    wanted=$(cat "$@" | sha256sum)
    if [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && grep -qxF -- "$wanted" "$stamp"; then
        say "Python packages are there: $venv"
        return
    fi
    say "Installing Python packages into $venv"
    if ! [ -x "$venv/bin/python" ]; then
        logged venv python3 -m venv "$venv" || fail "python3 could not make the environment $venv"
    fi
    for file in "$@"; do
        arguments+=(--requirement "$file")
    done
    persistently pip "$venv/bin/python" -m pip --disable-pip-version-check install --retries 10 \
        "${arguments[@]}" ||
        fail "pip could not install the packages of $*"
    printf '%s\n' "$wanted" >>"$stamp"
}

install_onnxruntime() {
    local attempt
    for attempt in 1 2 3; do
        if PIP_RETRIES=10 MARTLET_PYTHON=$venv/bin/python \
            "$checkout/tools/install-onnxruntime" --dir "$onnxruntime_dir"; then return 0; fi
        [ "$attempt" = 3 ] || sleep $((5 * attempt))
    done
    fail "ONNX Runtime could not be installed; what was wrong stands above"
}

# Ends with a plain line unless Swift is there and new enough.
require_swift() {
    local found
    command -v swift >/dev/null ||
        fail "Swift $swift_needed was not found. Type
  curl -O https://download.swift.org/swiftly/linux/swiftly-$(uname -m).tar.gz
  tar zxf swiftly-$(uname -m).tar.gz && ./swiftly init
  or see https://www.swift.org/install/linux, then start again"
    found=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1)
    [ -n "$found" ] || fail "swift --version says no version: is this the Swift tool-chain? $(command -v swift)"
    [ "$(printf '%s\n' "$swift_needed" "$found" | sort --version-sort | head -n 1)" = "$swift_needed" ] ||
        fail "Swift $swift_needed or later is needed, this is $found; with swiftly, type
  swiftly install --use $swift_needed"
    say "Swift $found"
}
