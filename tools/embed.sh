#!/bin/sh
# Prints a C file that carries the files named in the list $1 (one path a line) as embedded_files[].
# The bytes themselves are pulled in by the assembler (.incbin), so this needs neither xxd nor Python.
set -eu
echo '#include "base/embedded.h"'
n=0
while IFS= read -r path; do
    [ -n "$path" ] || continue
    printf '__asm__(".section .rodata\\nembedded_begin_%d: .incbin \\"%s\\"\\nembedded_end_%d: .byte 0\\n.previous");\n' "$n" "$path" "$n"
    printf 'extern const unsigned char embedded_begin_%d[], embedded_end_%d[];\n' "$n" "$n"
    n=$((n + 1))
done <"$1"
echo 'const struct embedded_file embedded_files[] = {'
n=0
while IFS= read -r path; do
    [ -n "$path" ] || continue
    printf '    {"%s", embedded_begin_%d, embedded_end_%d},\n' "$path" "$n" "$n"
    n=$((n + 1))
done <"$1"
echo '    {0, 0, 0}};'
