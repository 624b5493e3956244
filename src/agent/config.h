/*
 * config: what the agent follows and how, from the command line or weir.yaml. Plain data, owned; strict: unknown fields are errors.
 */
#ifndef WEIR_AGENT_CONFIG_H
#define WEIR_AGENT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "store/store.h"

struct source_config {
	char *name, *url;
	char *branch, *tag, *commit; /* at most one is set */
	int64_t interval_ms;
	char *ca_file, *user, *password_file, *token_file, *client_cert, *client_key, *proxy, *ssh_key, *known_hosts;
};

struct sync_config {
	char *name, *source, *path, *ns, *service_account;
	bool prune;
	int64_t interval_ms; /* a pass is made at least so often, which puts drift right; 0: the default */
};

/* jars: where the jars of session jobs may come from (flink/artifact.h says what each means). */
struct jar_config {
	char *schemes, *ca_file, *file_root; /* NULL where absent */
	char **hosts, **private_hosts;	     /* ended by NULL; NULL where absent */
	int64_t max_bytes;
};

struct agent_config {
	struct jar_config jars;
	struct source_config *sources;
	size_t source_count;
	struct sync_config *syncs;
	size_t sync_count;
	struct state_store_config *state_stores; /* for state_stores_open, which agent_config_read has tried */
	size_t state_store_count;
	char *ns;		 /* Weir's own: inventories, the Lease */
	char **watch_namespaces; /* where Flink resources are looked after; none: in all */
	size_t watch_namespace_count;
	char *cache_dir;
	char *listen;	    /* "ADDRESS:PORT" of /metrics, /healthz, /readyz; NULL: not served */
	bool peer_defaults; /* an absent upgradeMode means stateless, as the Java operator has it */
	bool manage_all;    /* manage: all: act on every FlinkDeployment, not only on those of the syncs and adopted ones */
	int64_t stable_after_ms, stable_checkpoints; /* 0: the default */
	int64_t start_deadline_ms;
};

void agent_config_init(struct agent_config *config);
void agent_config_free(struct agent_config *config);
struct source_config *agent_config_add_source(struct agent_config *config);
struct sync_config *agent_config_add_sync(struct agent_config *config);
/* Reads weir.yaml. Errors name file, line and field. */
bool agent_config_read(struct agent_config *config, const char *file, struct error *err);
/* "10s", "1m30s", "500ms", "2h" in ms; a bare number counts seconds. False: not a duration. */
bool agent_config_duration(const char *text, int64_t *ms);

#endif
