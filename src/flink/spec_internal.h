/* spec_internal: what the spec*.c files share. */
#ifndef WEIR_FLINK_SPEC_INTERNAL_H
#define WEIR_FLINK_SPEC_INTERNAL_H

#include "flink/launch.h"
#include "flink/spec.h"

struct check {
	const struct node *resource, *spec, *job, *deployed;
	const struct node *config; /* the effective configuration; NULL: not known, what depends on it is not checked */
	const struct flink_version *version;
	flink_spec_report *report;
	void *data;
	size_t errors;
};

void spec_error(struct check *k, const char *field, const char *format, ...) __attribute__((format(printf, 3, 4)));
void spec_warning(struct check *k, const char *field, const char *format, ...) __attribute__((format(printf, 3, 4)));

bool spec_absent(const struct node *n);
bool spec_blank(const char *text);
/* The value as a message shows it: its text, or what it is. */
const char *spec_shown(const struct node *value);

/* One of the accepted values, or absent. */
void spec_check_enum(struct check *k, const struct node *value, const char *field, const char *const *accepted);
#define SPEC_ENUM(k, value, field, ...) spec_check_enum(k, value, field, (const char *const[]){ __VA_ARGS__, NULL })

/* A map, or absent, that has no other keys than these; false: it is no map. */
bool spec_check_map(struct check *k, const struct node *map, const char *field, const char *const *known);
#define SPEC_MAP(k, map, field, ...) spec_check_map(k, map, field, (const char *const[]){ __VA_ARGS__, NULL })

void spec_check_name(struct check *k, const char *field, const char *name);
/* An integer of at least `min`, or absent. */
void spec_check_count(struct check *k, const struct node *value, const char *field, int64_t min);

void spec_check_job(struct check *k);
void spec_check_components(struct check *k);
void spec_check_autoscaler(struct check *k);
void spec_session_job(struct check *k, const struct flink_spec_context *context);
void spec_snapshot(struct check *k);

#endif
