/* The objects of a kind as they were at an earlier version, from the history of events: what later pages of a list show. */
#include "sim/internal.h"

struct past {
	const struct node **items; /* by namespace, then name */
	size_t count;
};

static int order(const struct node *a, const struct node *b)
{
	int c = strcmp(node_text_or(node_find(a, "metadata/namespace"), ""), node_text_or(node_find(b, "metadata/namespace"), ""));
	return c != 0 ? c : strcmp(node_text_or(node_find(a, "metadata/name"), ""), node_text_or(node_find(b, "metadata/name"), ""));
}

/* Where the object of that name is or belongs. */
static size_t place(const struct past *past, const struct node *object, bool *found)
{
	size_t low = 0, high = past->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = order(past->items[mid], object);
		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*found = false;
	return low;
}

static void undo(struct past *past, const struct event *e)
{
	const struct node *now = doc_root(e->now->doc), *before = e->before != NULL ? doc_root(e->before->doc) : NULL;
	bool found;
	size_t i = place(past, now, &found);
	if (before != NULL && found) {
		past->items[i] = before;
	} else if (before != NULL) {
		past->items = mem_grow(past->items, past->count + 1, sizeof *past->items);
		memmove(past->items + i + 1, past->items + i, (past->count - i) * sizeof *past->items);
		past->items[i] = before;
		past->count++;
	} else if (found) {
		memmove(past->items + i, past->items + i + 1, (past->count - i - 1) * sizeof *past->items);
		past->count--;
	}
}

const struct node **history_list(struct sim *sim, const struct kind *kind, uint64_t rv, size_t *count)
{
	struct past past = { mem_array(kind->count + 1, sizeof *past.items), kind->count };
	for (size_t i = 0; i < kind->count; i++)
		past.items[i] = object_root(kind->items[i]);
	for (size_t i = sim->event_count; i-- > 0 && sim->events[i].rv > rv;)
		if (sim->events[i].kind == kind)
			undo(&past, &sim->events[i]);
	*count = past.count;
	return past.items;
}
