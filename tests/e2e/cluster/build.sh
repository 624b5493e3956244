#!/bin/bash
# Builds what the test cluster needs, and nothing that is there already:
#   $WEIR_CACHE/bin                      weir-cluster and weir-kube
#   $WEIR_CACHE/images/flink_VERSION     a Flink image, also as flink_MAJOR.MINOR
# usage: build.sh [FLINK_VERSION...]     default: 1.20.3
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${WEIR_CACHE:-$HOME/.cache/weir}
kube=$(sed -n 's|^[[:space:]]*k8s.io/kubernetes \(v[0-9.]*\)$|\1|p' "$here/go.mod")
mkdir -p "$cache/bin" "$cache/images" "$cache/archives" "$cache/stamps"

# One build at a time; the second one finds everything done.
exec 9> "$cache/lock"
flock 9

say() { echo "build.sh: $*" >&2; }

# The hash of files, by content and name.
hash_of() { (cd "$here" && find "$@" -type f | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum | cut -c1-16); }

# Runs a command that uses the network, up to five times, with growing pauses.
retry() {
  local pause=2
  for _ in 1 2 3 4; do
    "$@" && return
    say "failed, again in $pause s: $1 ${2:-}"
    sleep "$pause"
    pause=$((pause * 2))
  done
  "$@"
}

# fresh NAME KEY FILE: is FILE there, made from what KEY stands for?
fresh() { [ -e "$3" ] && [ "$(cat "$cache/stamps/$1" 2> /dev/null)" = "$2" ]; }
stamp() { echo "$2" > "$cache/stamps/$1"; }

build_programs() {
  local key minor=${kube#v1.}
  key=$(hash_of go.mod go.sum ./*.go spec kube)-$(go env GOVERSION)
  fresh programs "$key" "$cache/bin/weir-kube" && return
  say "building weir-cluster and weir-kube (minutes, the first time)"
  cd "$here"
  retry go mod download
  # Into new files: a running cluster may be using the old ones.
  local version=k8s.io/component-base/version
  CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$cache/bin/weir-cluster.new" .
  CGO_ENABLED=0 go build -trimpath -o "$cache/bin/weir-kube.new" \
    -ldflags "-s -w -X $version.gitVersion=$kube -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*}" ./kube
  mv "$cache/bin/weir-cluster.new" "$cache/bin/weir-cluster"
  mv "$cache/bin/weir-kube.new" "$cache/bin/weir-kube"
  stamp programs "$key"
}

# pip only has to fetch; it looks into the package, though, and needs setuptools and wheel for that.
ensure_pip() {
  [ -e "$cache/venv/ok" ] && return
  rm -rf "$cache/venv"
  python3 -m venv "$cache/venv"
  retry "$cache/venv/bin/pip" -q --disable-pip-version-check install setuptools==80.9.0 wheel==0.45.1
  touch "$cache/venv/ok"
}

# fetch VERSION: the archive of that version, checked if we know its sum
fetch() {
  local file=$cache/archives/apache-flink-libraries-$1.tar.gz sum
  sum=$(awk -v v="$1" '$1 == v { print $2 }' "$here/flink-archives.txt")
  if [ ! -e "$file" ]; then
    ensure_pip
    say "fetching Flink $1"
    local tmp=$cache/archives/new
    rm -rf "$tmp"
    retry "$cache/venv/bin/pip" -q --disable-pip-version-check download --no-cache-dir --no-deps --no-build-isolation \
      --no-binary :all: -d "$tmp" "apache-flink-libraries==$1" >&2
    mv "$tmp"/apache*flink*libraries-"$1".tar.gz "$file"
    rm -rf "$tmp"
  fi
  if [ -n "$sum" ]; then
    echo "$sum  $file" | sha256sum --quiet -c - || {
      say "the archive of Flink $1 is not the known one; removed"
      rm -f "$file"
      return 1
    }
  else
    say "Flink $1 is not in flink-archives.txt; its sum: $(sha256sum < "$file" | cut -d' ' -f1)"
  fi
}

build_image() {
  local version=$1 image=$cache/images/flink_$1 key new src
  key=$version-$(hash_of flink jobs build.sh)
  if ! fresh "flink-$version" "$key" "$image/config.json"; then
    fetch "$version"
    say "building the image of Flink $version"
    new=$cache/images/.new-$version
    rm -rf "$new"
    mkdir -p "$new/root/opt/flink"/{bin,conf,log,usrlib,examples} "$new/src"
    tar -xzf "$cache/archives/apache-flink-libraries-$version.tar.gz" -C "$new/src" --strip-components=1
    src=$new/src/deps
    mv "$src/lib" "$src/opt" "$new/root/opt/flink/"
    if [ -d "$src/plugins" ]; then mv "$src/plugins" "$new/root/opt/flink/"; else mkdir "$new/root/opt/flink/plugins"; fi
    mv "$src/bin/bash-java-utils.jar" "$new/root/opt/flink/bin/"
    cp -p "$here"/flink/bin/* "$new/root/opt/flink/bin/"
    cp -p "$here/flink/bin/log4j-console.properties" "$new/root/opt/flink/conf/"
    cp -p "$here/flink/docker-entrypoint.sh" "$new/root/"
    mkdir "$new/classes"
    javac --release 11 -nowarn -Xlint:-options -cp "$(printf '%s:' "$new"/root/opt/flink/lib/*.jar)" -d "$new/classes" "$here/jobs/CountJob.java"
    printf 'Main-Class: CountJob\n' > "$new/manifest"
    jar --create --file "$new/root/opt/flink/usrlib/count.jar" --manifest "$new/manifest" -C "$new/classes" .
    # Standalone mode hides usrlib behind a volume.
    cp "$new/root/opt/flink/usrlib/count.jar" "$new/root/opt/flink/examples/"
    local java_home
    java_home=$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")
    cat > "$new/config.json" << JSON
{"Entrypoint": ["/docker-entrypoint.sh"], "Cmd": ["jobmanager"], "WorkingDir": "/opt/flink",
 "Env": ["FLINK_HOME=/opt/flink", "JAVA_HOME=$java_home",
         "PATH=/opt/flink/bin:$java_home/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
JSON
    rm -rf "$new/src" "$new/classes" "$new/manifest" "$image"
    mv "$new" "$image"
    stamp "flink-$version" "$key"
  fi
  ln -sfn "flink_$version" "$cache/images/flink_${version%.*}"
}

# Flink loads ten thousand classes at each start. Java can have them ready in an archive; which ones, a job that runs once shows.
# An image without the archive works just as well, only slower.
build_archive() {
  local image=$cache/images/flink_$1 key
  key=$(cat "$cache/stamps/flink-$1")-$(hash_of train.sh examples)
  [ -z "${WEIR_NO_ARCHIVE:-}" ] || return 0
  fresh "archive-$1" "$key" "$image/config.json" && return
  say "making the class archive of Flink $1"
  "$here/train.sh" "$1" >&2 || say "no class archive for Flink $1; its JVMs will start more slowly (to try again: rm $cache/stamps/archive-$1)"
  stamp "archive-$1" "$key"
}

build_programs
for v in "${@:-1.20.3}"; do
  build_image "$v"
  build_archive "$v"
done
