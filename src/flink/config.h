/*
 * config: Flink's configuration as a flat ordered map (a doc map of strings): flattening, layers, look-up by any of an option's names, and
 * the two file formats. The only non-string value is the list under $internal.application.program-args.
 */
#ifndef WEIR_FLINK_CONFIG_H
#define WEIR_FLINK_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/doc.h"
#include "base/error.h"
#include "flink/launch.h"

#define FLINK_PROGRAM_ARGS "$internal.application.program-args"

/*
 * Adds a (possibly nested) configuration to the flat map `into`: maps joined with dots, lists with ';', an empty list gives no key, null
 * the text "null". ERROR_INVALID names the key of a map inside a list; `field` is the prefix that messages use.
 */
bool flink_config_flatten(struct doc *doc, const struct node *from, struct node *into, const char *field, struct error *err);

/*
 * The layers below Weir's own keys: built-in defaults, launch->defaults (with kubernetes.operator.default-configuration.namespace.* and
 * .flink-version.* applied), spec.flinkConfiguration. Keeps kubernetes.operator.* and job.autoscaler.*: policies are read from here.
 */
bool flink_config_user(struct doc *doc, const struct flink_launch *launch, struct node **config, struct error *err);

/* What is written to the cluster: the above, Weir's own keys on top, without the operator's options. */
bool flink_config_build(struct doc *doc, const struct flink_launch *launch, struct node **config, struct error *err);

/* ---- reading; borrowed from the map ---- */
const char *flink_config_get(const struct node *config, const char *key); /* under any of its names, NULL if absent */
const char *flink_config_get_or(const struct node *config, const char *key, const char *otherwise);
int64_t flink_config_int(const struct node *config, const char *key, int64_t otherwise);
double flink_config_double(const struct node *config, const char *key, double otherwise);
bool flink_config_bool(const struct node *config, const char *key, bool otherwise);
int64_t flink_config_ms(const struct node *config, const char *key, int64_t otherwise);	   /* durations; otherwise also if malformed */
int64_t flink_config_bytes(const struct node *config, const char *key, int64_t otherwise); /* sizes; likewise */
void flink_config_remove(struct node *config, const char *key);				   /* all of its names */
void flink_config_remove_others(struct node *config, const char *key);			   /* all of its names but this one */
/* Writes what is given under a name that the version does not know, or cannot hold in its file's format, under one that it does. */
void flink_config_settle(struct doc *doc, struct node *config, const struct flink_version *version);

const char *flink_savepoint_dir(const struct node *config);  /* NULL if none or blank */
const char *flink_checkpoint_dir(const struct node *config); /* NULL if none or blank */
bool flink_ha_enabled(const struct node *config);
bool flink_ha_kubernetes(const struct node *config);
int64_t flink_checkpoint_interval_ms(const struct node *config); /* 0: checkpoints are off */
/* Process memory from the configuration ("jobmanager" or "taskmanager"), computed from the parts if need be; 0: not determined. */
int64_t flink_process_bytes(const struct node *config, const char *component);

/* ---- writing ---- */
/* The list as Flink's options hold it: joined with ';', quoted where needed. */
void flink_put_list(struct buf *out, const struct node *list);
/* The file of that version. ERROR_INVALID: a line break in a value (old format), a key that is also another one's prefix (YAML). */
bool flink_config_write(const struct node *config, const struct flink_version *version, struct buf *out, struct error *err);

#endif
