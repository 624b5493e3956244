/*
 * What became of each job's state: the newest savepoint or checkpoint that any run of it completed, and what every run of it began with.
 * Only written down here, for tests to judge.
 */
#include <stdio.h>

#include "sim/internal.h"

struct lineage {
	char *key, *newest, *beside, *previous;
	bool since;
};

static struct lineage *lineage_of(struct sim *sim, const char *key)
{
	for (size_t i = 0; i < sim->lineage_count; i++)
		if (strcmp(sim->lineages[i].key, key) == 0)
			return &sim->lineages[i];
	sim->lineages = mem_grow(sim->lineages, sim->lineage_count + 1, sizeof *sim->lineages);
	struct lineage *l = &sim->lineages[sim->lineage_count++];
	*l = (struct lineage){ .key = mem_strdup(key) };
	return l;
}

void lineage_completed(struct sim *sim, const char *key, const char *path, bool beside)
{
	struct lineage *l = lineage_of(sim, key);
	char **at = beside ? &l->beside : &l->newest;
	if (!beside) {
		free(l->beside);
		l->beside = NULL;
	}
	free(*at);
	*at = mem_strdup(path);
	l->since = true;
}

void lineage_started(struct sim *sim, const char *key, const char *launch, const char *from)
{
	struct lineage *l = lineage_of(sim, key);
	bool again = false;
	for (size_t i = 0; i < sim->start_count; i++)
		again |= strcmp(sim->starts[i].job, key) == 0 && strcmp(sim->starts[i].launch, launch) == 0;
	sim->starts = mem_grow(sim->starts, sim->start_count + 1, sizeof *sim->starts);
	struct sim_start *s = &sim->starts[sim->start_count++];
	*s = (struct sim_start){ .at = sim->now, .again = again, .since = l->since };
	(void)snprintf(s->job, sizeof s->job, "%s", key);
	(void)snprintf(s->launch, sizeof s->launch, "%s", launch);
	(void)snprintf(s->from, sizeof s->from, "%s", from != NULL ? from : "");
	(void)snprintf(s->newest, sizeof s->newest, "%s", l->newest != NULL ? l->newest : "");
	(void)snprintf(s->beside, sizeof s->beside, "%s", l->beside != NULL ? l->beside : "");
	(void)snprintf(s->previous, sizeof s->previous, "%s", l->previous != NULL ? l->previous : "");
	free(l->previous);
	l->previous = mem_strdup(s->from);
	l->since = false;
}

void lineage_free(struct sim *sim)
{
	for (size_t i = 0; i < sim->lineage_count; i++) {
		free(sim->lineages[i].key);
		free(sim->lineages[i].newest);
		free(sim->lineages[i].beside);
		free(sim->lineages[i].previous);
	}
	free(sim->lineages);
	free(sim->starts);
}

size_t sim_start_count(struct sim *sim)
{
	sim_lock(sim);
	size_t n = sim->start_count;
	sim_unlock(sim);
	return n;
}

struct sim_start sim_start_at(struct sim *sim, size_t i)
{
	sim_lock(sim);
	struct sim_start s = sim->starts[i];
	sim_unlock(sim);
	return s;
}

bool sim_newest(struct sim *sim, const char *job, char path[512])
{
	sim_lock(sim);
	const struct lineage *l = lineage_of(sim, job);
	(void)snprintf(path, 512, "%s", l->newest != NULL ? l->newest : "");
	sim_unlock(sim);
	return path[0] != '\0';
}
