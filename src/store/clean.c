#include "store/clean.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/store.h"

#define RESULTS "job-result-store"

enum { JOB_ID_LEN = 32, NAME_MAX_LEN = 63, NUMBER_MAX_LEN = 18 };

static const char hex[] = "0123456789abcdef";
static const char digits[] = "0123456789";

/* A name of Kubernetes: what Flink takes as cluster id. */
static bool is_cluster_id(const char *text, size_t len)
{
	if (len == 0 || len > NAME_MAX_LEN || text[0] == '-' || text[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-", text[i]) == NULL)
			return false;
	return !(len == strlen(RESULTS) && strncmp(text, RESULTS, len) == 0);
}

enum state_remains state_remains_of(const char *name)
{
	if (strchr(name, '/') == NULL)
		return is_cluster_id(name, strlen(name)) ? REMAINS_HA : REMAINS_NOTHING;
	if (!str_starts(name, RESULTS "/"))
		return REMAINS_NOTHING;
	name += strlen(RESULTS "/");
	size_t len = strcspn(name, "/");
	const char *launch = name + len + 1;
	if (name[len] != '/' || !is_cluster_id(name, len) || strspn(launch, hex) != JOB_ID_LEN || launch[JOB_ID_LEN] != '-')
		return REMAINS_NOTHING;
	size_t number = strspn(launch + JOB_ID_LEN + 1, digits);
	bool whole = number > 0 && number <= NUMBER_MAX_LEN && launch[JOB_ID_LEN + 1 + number] == '\0';
	return whole ? REMAINS_RESULTS : REMAINS_NOTHING;
}

bool state_remains_holds(enum state_remains shape, const char *entry, bool directory)
{
	/* Flink 1.13 to 2.3; each is followed by random hex digits */
	static const char *const files[] = { "completedCheckpoint", "submittedJobGraph", "submittedExecutionPlan", "submittedApplication" };
	if (shape == REMAINS_RESULTS)
		return !directory && strspn(entry, hex) == JOB_ID_LEN &&
		       (strcmp(entry + JOB_ID_LEN, ".json") == 0 || strcmp(entry + JOB_ID_LEN, "_DIRTY.json") == 0);
	if (shape != REMAINS_HA)
		return false;
	if (directory)
		return strcmp(entry, "blob") == 0;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const char *rest = entry + strlen(files[i]);
		if (str_starts(entry, files[i]) && *rest != '\0' && rest[strspn(rest, hex)] == '\0')
			return true;
	}
	return false;
}

bool state_store_clean(const struct state_store *store, const char *root, const char *name, struct error *err)
{
	AUTOFREE char *normal = NULL;
	enum state_remains shape = state_remains_of(name);
	if (!state_path_normal(root, &normal, err))
		return false;
	if (shape == REMAINS_NOTHING)
		return error_set(err, ERROR_INVALID,
				 "%.200s is not cleaned up: expected CLUSTER-ID or job-result-store/NAME/<32 hex digits>-<number>", name);
	if (store->clean == NULL)
		return error_set(err, ERROR_UNSUPPORTED, "%.300s: no state store is configured that could clean it up", normal);
	AUTOFREE char *path = mem_printf("%s/%s", normal, name);
	if (strlen(path) > STATE_PATH_MAX)
		return error_set(err, ERROR_LIMIT, "a state path has at most %d bytes", (int)STATE_PATH_MAX);
	return store->clean(store->context, path, shape, err);
}
