#!/usr/bin/env bash
# Makes build/tocsin_VERSION_ARCH.deb of build/tocsin; `./dev package` calls it. The same sources give the same bytes: all times are
# SOURCE_DATE_EPOCH (by default the last commit's), owners are root, orders are sorted, and no name of a machine goes in.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C TZ=UTC
umask 022
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
export SOURCE_DATE_EPOCH
version=$(build/tocsin --version | cut -d' ' -f2)
arch=$(dpkg --print-architecture)
out=${1:-build/tocsin_${version}_$arch.deb}
work=$(mktemp -d build/deb.XXXXXX)
trap 'rm -rf "$work"' EXIT
root=$work/root
doc=$root/usr/share/doc/tocsin

put() { install -D -m "$1" "$2" "$root/$3"; }
filled() { sed -e "s|@VERSION@|$version|" -e "s|@ARCH@|$arch|" -e "s|@DATE@|$(date -uRd "@$SOURCE_DATE_EPOCH")|" "$1"; }

put 755 build/tocsin usr/bin/tocsin
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root/usr/bin/tocsin"
put 644 packaging/tocsin.service lib/systemd/system/tocsin.service
put 644 packaging/tocsin.yml etc/tocsin/tocsin.yml
install -d "$root/var/lib/tocsin" "$root/etc/tocsin/secrets" "$root/usr/share/tocsin" "$root/usr/share/man/man1" "$doc"
install -d "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" "$root/usr/share/fish/vendor_completions.d"
cp -R packs "$root/usr/share/tocsin/"
build/tocsin help --man | gzip -9n >"$root/usr/share/man/man1/tocsin.1.gz"
build/tocsin completion bash >"$root/usr/share/bash-completion/completions/tocsin"
build/tocsin completion zsh >"$root/usr/share/zsh/vendor-completions/_tocsin"
build/tocsin completion fish >"$root/usr/share/fish/vendor_completions.d/tocsin.fish"
cp packaging/debian/copyright README.md docs/*.md "$doc/"
cp -R docs/format "$doc/"
cp CHANGELOG.md "$doc/CHANGES.md"
build/tocsin check --reference >"$doc/configuration.md"
filled packaging/debian/changelog | gzip -9n >"$doc/changelog.gz"

# What the program is linked against, as packages and versions. dpkg-shlibdeps wants a source package's control file beside it.
mkdir -p "$work/debian" "$root/DEBIAN"
printf 'Source: tocsin\n\nPackage: tocsin\nArchitecture: any\n' >"$work/debian/control"
shlibs=$(cd "$work" && dpkg-shlibdeps -O root/usr/bin/tocsin 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
size=$(find "$root" -type f -printf '%s\n' | awk '{n += int(($1 + 1023) / 1024)} END {print n}')
filled packaging/debian/control | sed -e "s|@SHLIBS@|$shlibs|" -e "s|@SIZE@|$size|" >"$root/DEBIAN/control"
install -m 644 packaging/debian/conffiles "$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do install -m 755 "packaging/debian/$script" "$root/DEBIAN/$script"; done
(cd "$root" && find . -path ./DEBIAN -prune -o -type f ! -path './etc/*' -printf '%P\n' | sort | xargs -d '\n' md5sum) >"$root/DEBIAN/md5sums"

chmod -R u=rwX,go=rX "$root"
find "$root" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz --build "$root" "$out" >/dev/null
echo "$out"
