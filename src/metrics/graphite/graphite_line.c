/*
 * Reading a line of Graphite's plaintext protocol; see graphite_line.h.
 */
#include "metrics/graphite/graphite_line.h"

#include "base/go_text.h"
#include "base/num.h"

#include <math.h>

static bool read_tags(struct sv text, struct sample_list *list, struct label *labels, size_t *n)
{
    while (text.n > 0) {
        struct sv value = sv_cut(&text, ';'), name = sv_cut(&value, '=');
        name = sample_label_name(&list->arena, arena_sv(&list->arena, name));
        if (name.n == 0 || value.n == 0 || sv_starts(name, SV("__")) || *n > GRAPHITE_TAGS_MAX)
            return false;
        labels[(*n)++] = (struct label){name, arena_sv(&list->arena, value)};
    }
    return true;
}

bool graphite_read(struct sv line, int64_t now_ms, struct sample_list *list)
{
    struct label labels[GRAPHITE_TAGS_MAX + 2];
    size_t n = 0;
    double value, epoch = -1;
    struct sv path = sv_word(&line), number = sv_word(&line), time = sv_word(&line);
    if (path.n == 0 || sv_trim(line).n > 0 || !go_parse_float(number, &value) || !isfinite(value) ||
        (time.n > 0 && (!num_double(time, &epoch) || epoch > 1e11)))
        return false;
    struct sv name = sv_cut(&path, ';');
    labels[n++] = (struct label){METRIC_NAME, sample_name(&list->arena, arena_sv(&list->arena, name))};
    if (name.n == 0 || !read_tags(path, list, labels, &n))
        return false;
    sample_list_next_point(list);
    sample_list_add(list, labels, n, epoch < 0 ? now_ms : (int64_t)llround(epoch * 1000), value);
    return true;
}
