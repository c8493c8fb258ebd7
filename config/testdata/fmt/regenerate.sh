#!/bin/sh
# Makes every NAME.out.hcl from its NAME.in.hcl with the terraform program in the path, and never with shipctl.
# Files, not `terraform fmt -`: on standard output it adds a newline that it doesn't add to a file.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for in in *.in.hcl; do
	cp "$in" "$work/${in%.in.hcl}.tf"
done
terraform fmt -list=false "$work"
for in in *.in.hcl; do
	cp "$work/${in%.in.hcl}.tf" "${in%.in.hcl}.out.hcl"
done
