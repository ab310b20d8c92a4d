#!/bin/bash
# Builds every fuzz target of the main module: native Go targets, as make fuzz runs them.
set -euo pipefail

module=github.com/caddyspotify/caddy-spotify

# What the targets are compiled against, in this container's copy of go.mod alone.
go get github.com/AdamKorcz/go-118-fuzz-build/testing

grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sort | while IFS=: read -r file func; do
	dir=$(dirname "${file#./}")
	target=${func#func }
	[ "$dir" != . ] || dir=
	# Two packages have a FuzzReader.
	name=$(echo "${dir:-root}_$target" | tr / _)
	compile_native_go_fuzzer_v2 "$module${dir:+/$dir}" "$target" "$name" </dev/null
done
