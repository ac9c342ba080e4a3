/*
 * Lists: files of values (addresses, networks, users, domains) that rules ask by name, up to a million
 * entries each. A list is a file NAME.list among the rules, and gives the placeholder %NAME% its values:
 *
 *     User|expand: '%service_accounts%'            is one of the texts, case folded as in any rule
 *     source.ip|cidr|expand: '%bad_networks%'      lies in one of the networks
 *     query|endswith|expand: '%bad_suffixes%'      ends with (startswith: begins with) one of the texts
 *
 * A question costs one look-up, or one for each length that entries have, however many entries there are.
 *
 * One entry a line; `value;expires` where it is to hold until a time (RFC 3339, or a date: its midnight in
 * UTC) and no longer. Empty lines and lines that begin with # do not count. An entry `.example.com` (or
 * `*.example.com`) is the domain and all names below it, where a whole value is asked. Other than that there
 * are no wildcards in it.
 */
#ifndef DETECT_LIST_H
#define DETECT_LIST_H

#include "base/arena.h"
#include "base/err.h"

enum { LIST_ENTRIES_MAX = 1000000, LIST_ENTRY_MAX_BYTES = 512, LIST_FILE_MAX_BYTES = 64 << 20 };

enum list_question { LIST_IS, LIST_STARTS, LIST_ENDS, LIST_NETWORK };

struct list;
struct list_table; /* a list made ready for some kinds of questions; immutable, any thread may ask */

/* The name of the list in a file of that path; n == 0: the file is no list. */
struct sv list_name(struct sv path);
/* `file` and `bytes` are lent for as long as list_table is called. */
struct list *list_new(struct arena *arena, const char *file, struct sv bytes, bool in_pack);
bool list_in_pack(const struct list *list);
/* Made once for each form (networks; texts folded; texts cased) and kept in `arena`. TC_EBOUND where it has
 * too many entries. Lines that cannot be read are left out and counted. */
int list_table(struct list *list, struct arena *arena, enum list_question question, bool cased,
               const struct list_table **ret, struct err *err);
/* What could not be read of it: how many lines, the first of them in *ret (a place and a sentence). 0: none,
 * or nobody asked the list. */
size_t list_unreadable(const struct list *list, struct err *ret);

/* Is the value in the list at that time (TC_NO_TIME: what expires is in it, too)? `value` must be folded
 * unless the table is cased; for networks it may be either. */
bool list_holds(const struct list_table *table, enum list_question question, struct sv value, int64_t now_ns);
/* Characters (code points) of the longest entry. */
size_t list_longest(const struct list_table *table);

#endif
