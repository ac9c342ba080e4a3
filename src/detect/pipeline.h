/*
 * Processing pipelines, as pySigma has them: YAML documents that say how rules are changed before they are
 * read, so that rules written for one naming of fields judge events of another.
 *
 * A pipeline works on the YAML tree of a rule, not on what is compiled of it: what comes out is a rule that
 * somebody could have written, read by the same reader, with the places of the original. The items of all
 * pipelines run in order of priority, then of file; each looks at its conditions and does its one thing.
 *
 * A pipeline is a document with the top-level key `transformations`, in any source of a rule set. One that
 * cannot be read, or asks for what is not known here, fails the whole set: rules that were changed by half of
 * a pipeline would watch for something else than anybody wrote.
 */
#ifndef DETECT_PIPELINE_H
#define DETECT_PIPELINE_H

#include "detect/sigma.h"

struct pipelines;

bool sigma_is_pipeline(const struct yaml_node *root);

struct pipelines *pipelines_new(void);
void pipelines_free(struct pipelines **pipelines);
/* Adds one document; sigma->arena and the tree must outlive the pipelines. */
int pipelines_add(struct pipelines *pipelines, struct sigma *sigma, const struct yaml_node *root);
/* Once all are added: puts their items in order. */
void pipelines_sort(struct pipelines *pipelines);
bool pipelines_any(const struct pipelines *pipelines); /* false for NULL */
/* A rule's log source, by id and name: what conditions on the log source say of correlations. */
void pipelines_know(struct pipelines *pipelines, struct sigma *sigma, const struct yaml_node *root);

/*
 * A copy of the rule's document (in sigma->scratch) as the pipelines leave it. A rule that a pipeline fails
 * (rule_failure, detection_item_failure) is refused.
 */
int pipelines_run(struct pipelines *pipelines, struct sigma *sigma, const struct yaml_node *root,
                  const struct yaml_node **ret);

#endif
