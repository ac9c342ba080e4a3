/*
 * Files that the binary carries: shipped rule packs and the web page.
 *
 * The table is generated at build time by tools/embed.sh from packs/ and web/, so that build/tocsin works
 * from any folder. Paths are as in the source tree ("packs/auth/brute_force.yml"), sorted, ending with a row
 * of path NULL. Bytes live as long as the process and are followed by one zero byte that is not counted.
 */
#ifndef BASE_EMBEDDED_H
#define BASE_EMBEDDED_H

struct embedded_file {
    const char *path;
    const unsigned char *begin, *end;
};

extern const struct embedded_file embedded_files[];

#endif
