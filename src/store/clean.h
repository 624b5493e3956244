/*
 * clean: what a Flink cluster leaves in its HA storage, and how much of it may be deleted. For the stores and the cleanup pod: two shapes
 * of directories below a storageDir, and within them only entries that Flink itself gives their names, so that a savepoint or checkpoint
 * that somebody keeps there is left alone.
 */
#ifndef WEIR_STORE_CLEAN_H
#define WEIR_STORE_CLEAN_H

#include <stdbool.h>

enum state_remains {
	REMAINS_NOTHING, /* no such shape */
	REMAINS_RESULTS, /* job-result-store/NAME/<32 hex digits>-<number>: a JobResultStore of one launch */
	REMAINS_HA,	 /* CLUSTER-ID: job graphs, pointers to checkpoints, blobs */
};

/* Of a directory's name below the storageDir. */
enum state_remains state_remains_of(const char *name);
/* Is this entry of such a directory Flink's own? Of directories only the first part of the path is asked for. */
bool state_remains_holds(enum state_remains shape, const char *entry, bool directory);

#endif
