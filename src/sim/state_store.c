#include "sim/state_store.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "sim/internal.h"

/* The port has one name for three; the storage keeps what Flink was told. */
static const char *const s3_schemes[] = { "s3", "s3a", "s3p" };

static size_t spellings(const char *path)
{
	return str_starts(path, "s3://") ? ARRAY_SIZE(s3_schemes) : 1;
}

static char *respelled(const char *path, const char *scheme)
{
	return str_starts(path, "s3://") ? mem_printf("%s%s", scheme, path + strlen("s3")) : mem_strdup(path);
}

static struct stored *find(struct sim *sim, const char *path)
{
	struct stored *found = NULL;
	for (size_t i = 0; i < spellings(path) && found == NULL; i++) {
		AUTOFREE char *spelling = respelled(path, s3_schemes[i]);
		found = stored_get(sim->stored, sim->stored_count, spelling);
	}
	return found;
}

static void look(void *context, const char *path, struct state_look *out)
{
	struct sim *sim = context;
	sim_lock(sim);
	if (sim->storage_down)
		state_look_set(out, STATE_UNKNOWN, "the storage is down");
	else if (find(sim, path) != NULL)
		state_look_set(out, STATE_EXISTS, "%s", "");
	else
		state_look_set(out, STATE_ABSENT, "%.300s is not there", path);
	sim_unlock(sim);
}

/* Adds what lies in `dir`, spelled as it is stored; was there anything below it? */
static bool list_spelling(const struct sim *sim, const char *dir, struct state_listing *out)
{
	AUTOFREE char *key = stored_key(dir);
	size_t len = strlen(key);
	bool any = false;
	for (size_t i = 0; i < sim->stored_count; i++) {
		const char *path = sim->stored[i].path;
		if (!str_starts(path, key) || path[len] != '/')
			continue;
		any = true;
		if (strchr(path + len + 1, '/') == NULL)
			state_listing_add(out, path + len + 1, strlen(path + len + 1));
	}
	return any;
}

static void list(void *context, const char *dir, struct state_listing *out)
{
	struct sim *sim = context;
	bool any = false;
	sim_lock(sim);
	if (sim->storage_down) {
		state_listing_set(out, STATE_UNKNOWN, "the storage is down");
		sim_unlock(sim);
		return;
	}
	for (size_t i = 0; i < spellings(dir); i++) {
		AUTOFREE char *spelling = respelled(dir, s3_schemes[i]);
		any |= list_spelling(sim, spelling, out);
	}
	sim_unlock(sim);
	if (!any)
		state_listing_set(out, STATE_ABSENT, "nothing is below %.300s", dir);
	else if (out->count > STATE_LIST_MAX)
		state_listing_set(out, STATE_UNKNOWN, "%.300s has more than %d entries", dir, (int)STATE_LIST_MAX);
	else
		state_listing_set(out, STATE_EXISTS, "%s", "");
}

static bool dispose(void *context, const char *path, struct error *err)
{
	struct sim *sim = context;
	sim_lock(sim);
	bool up = !sim->storage_down;
	struct stored *found = up ? find(sim, path) : NULL;
	if (found != NULL) {
		AUTOFREE char *stored = mem_strdup(found->path);
		(void)stored_remove(sim->stored, &sim->stored_count, stored);
	}
	sim_unlock(sim);
	return up || error_set(err, ERROR_TRANSIENT, "%.300s: the storage is down", path);
}

/* Of what lies in HA storage the sim keeps the results alone. */
static void remove_results(struct sim *sim, const char *path, enum state_remains shape)
{
	for (size_t i = 0; i < spellings(path); i++) {
		AUTOFREE char *spelling = respelled(path, s3_schemes[i]);
		AUTOFREE char *dir = stored_key(spelling);
		size_t len = strlen(dir);
		for (size_t k = sim->result_count; k-- > 0;) {
			const char *at = sim->results[k].path;
			if (!str_starts(at, dir) || at[len] != '/' || !state_remains_holds(shape, at + len + 1, false))
				continue;
			AUTOFREE char *gone = mem_strdup(at);
			(void)stored_remove(sim->results, &sim->result_count, gone);
		}
	}
}

const char *storage_answer(struct sim *sim, const char *question, const char *path)
{
	if (sim->storage_down)
		return "unknown the storage is down";
	if (str_starts(question, "clean_"))
		remove_results(sim, path, str_eq(question, "clean_ha") ? REMAINS_HA : REMAINS_RESULTS);
	else if (find(sim, path) == NULL)
		return "absent";
	return "exists";
}

static bool clean(void *context, const char *path, enum state_remains shape, struct error *err)
{
	struct sim *sim = context;
	sim_lock(sim);
	bool up = !sim->storage_down;
	if (up)
		remove_results(sim, path, shape);
	sim_unlock(sim);
	return up || error_set(err, ERROR_TRANSIENT, "%.300s: the storage is down", path);
}

struct state_store sim_state_store(struct sim *sim)
{
	return (struct state_store){ .context = sim, .look = look, .list = list, .dispose = dispose, .clean = clean };
}
