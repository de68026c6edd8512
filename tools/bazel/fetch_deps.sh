#!/bin/bash
# Puts Abseil's source, as Debian packages it, at .deps/abseil-cpp, for the sanitizer and cross builds. It needs dpkg-dev and
# the network, and no deb-src entry in the system's apt sources: it keeps lists of its own under .deps/apt. tools/setup
# calls it when the source is missing or was fetched for another version.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
apt="$root/.deps/apt"
. /etc/os-release
# The mirror that apt uses already.
uri="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' "Codename: $VERSION_CODENAME" |
  awk 'NR == 1')"
if [ -z "$uri" ]; then
  echo "fetch_deps.sh: apt knows no Debian mirror for $VERSION_CODENAME. Check /etc/apt/sources.list.d, then apt-get update." >&2
  exit 1
fi
rm -rf "$apt/src"
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/src"
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $VERSION_CODENAME main" >"$apt/sources.list"
opts=(
  -qq
  -o "Acquire::Retries=3"
  -o "Dir::Etc::sourcelist=$apt/sources.list"
  -o "Dir::Etc::sourceparts=-"
  -o "Dir::State::Lists=$apt/lists"
  -o "Dir::Cache=$apt/cache"
  -o "APT::Sandbox::User=root"
)
apt-get "${opts[@]}" update
cd "$apt/src"
apt-get "${opts[@]}" source --only-source abseil
# Bazel 4's @platforms has no wasm.
sed -i -z -E 's#constraint_values = \[\n *"@platforms//cpu:(wasm(32|64))",\n *\]#values = {"cpu": "\1"}#g' \
  abseil-*/absl/BUILD.bazel
rm -rf "$root/.deps/abseil-cpp"
mv abseil-*/ "$root/.deps/abseil-cpp"
