#include "base/doc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/doc_private.h"
#include "base/mem.h"
#include "base/yaml.h"

struct entry {
	char *key; /* NULL in lists */
	struct node *value;
};

struct node {
	unsigned char kind;
	bool truth; /* of a bool; of a string: it was quoted */
	unsigned line;
	unsigned count; /* string: bytes; list, map: entries */
	unsigned cap;
	union {
		char *text;
		struct entry *entries;
	};
	unsigned *index; /* maps over INDEX_FROM entries: open addressing, entry number + 1; NULL when stale */
	unsigned index_size;
};

enum { INDEX_FROM = 24, CHUNK = 4096 };

struct chunk {
	struct chunk *next;
	size_t used, size;
	max_align_t data[];
};

struct doc {
	struct chunk *chunks;
	struct node *root;
	char *file;
	size_t bytes;
};

static void *arena(struct doc *doc, size_t size)
{
	size = (size + sizeof(max_align_t) / 2 - 1) & ~(sizeof(max_align_t) / 2 - 1);
	struct chunk *c = doc->chunks;
	if (c == NULL || c->size - c->used < size) {
		size_t room = c == NULL ? 512 : CHUNK;
		if (size > room)
			room = size;
		struct chunk *fresh = mem_alloc(sizeof *fresh + room);
		fresh->size = room;
		doc->bytes += sizeof *fresh + room;
		if (c != NULL && size > CHUNK / 2) { /* a large piece of its own: keep filling the current chunk */
			fresh->used = room;
			fresh->next = c->next;
			c->next = fresh;
			return fresh->data;
		}
		fresh->next = c;
		doc->chunks = fresh;
		c = fresh;
	}
	void *p = (char *)c->data + c->used;
	c->used += size;
	return p;
}

struct doc *doc_new(void)
{
	return mem_alloc(sizeof(struct doc));
}

void doc_free(struct doc *doc)
{
	if (doc == NULL)
		return;
	for (struct chunk *c = doc->chunks, *next; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	free(doc);
}

void doc_freep(struct doc **doc)
{
	doc_free(*doc);
	*doc = NULL;
}

void doc_list_free(struct doc **docs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		doc_free(docs[i]);
	free(docs);
}

struct node *doc_root(const struct doc *doc)
{
	return doc == NULL ? NULL : doc->root;
}

void doc_set_root(struct doc *doc, struct node *root)
{
	doc->root = root;
}

const char *doc_file(const struct doc *doc)
{
	return doc->file == NULL ? "" : doc->file;
}

void doc_set_file(struct doc *doc, const char *file)
{
	doc->file = file == NULL ? NULL : doc_strdup(doc, file);
}

static char *arena_text(struct doc *doc, const char *text, size_t len)
{
	char *copy = arena(doc, len + 1);
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *doc_strdup(struct doc *doc, const char *text)
{
	return arena_text(doc, text, strlen(text));
}

size_t doc_bytes(const struct doc *doc)
{
	return doc->bytes;
}

/* ---- making ---- */

struct node *node_of_line(struct doc *doc, enum node_kind kind, unsigned line)
{
	struct node *n = arena(doc, sizeof *n);
	*n = (struct node){ .kind = (unsigned char)kind, .line = line };
	return n;
}

void node_set_line(struct node *n, unsigned line)
{
	n->line = line;
}

void node_set_quoted(struct node *n)
{
	n->truth = true;
}

bool yaml_was_quoted(const struct node *n)
{
	return node_is(n, NODE_STRING) && n->truth;
}

static struct node *make(struct doc *doc, enum node_kind kind)
{
	return node_of_line(doc, kind, 0);
}

struct node *node_null(struct doc *doc)
{
	return make(doc, NODE_NULL);
}

struct node *node_bool(struct doc *doc, bool value)
{
	struct node *n = make(doc, NODE_BOOL);
	n->truth = value;
	return n;
}

struct node *node_number(struct doc *doc, const char *text)
{
	struct node *n = make(doc, NODE_NUMBER);
	n->count = (unsigned)strlen(text);
	n->text = doc_strdup(doc, text);
	return n;
}

struct node *node_int(struct doc *doc, int64_t value)
{
	char text[32];
	(void)snprintf(text, sizeof text, "%" PRId64, value);
	return node_number(doc, text);
}

struct node *node_stringn(struct doc *doc, const char *text, size_t len)
{
	struct node *n = make(doc, NODE_STRING);
	n->count = (unsigned)len;
	n->text = arena_text(doc, text, len);
	return n;
}

struct node *node_string(struct doc *doc, const char *text)
{
	return node_stringn(doc, text, strlen(text));
}

struct node *node_printf(struct doc *doc, const char *format, ...)
{
	AUTOBUF b = BUF_INIT;
	va_list args;
	va_start(args, format);
	buf_vprintf(&b, format, args);
	va_end(args);
	return node_stringn(doc, buf_text(&b), b.len);
}

struct node *node_list(struct doc *doc)
{
	return make(doc, NODE_LIST);
}

struct node *node_map(struct doc *doc)
{
	return make(doc, NODE_MAP);
}

static bool holds_entries(const struct node *n)
{
	return n != NULL && (n->kind == NODE_LIST || n->kind == NODE_MAP);
}

static bool holds_text(const struct node *n)
{
	return n != NULL && (n->kind == NODE_STRING || n->kind == NODE_NUMBER);
}

struct node *node_copy(struct doc *doc, const struct node *from)
{
	if (from == NULL)
		return NULL;
	struct node *n = node_of_line(doc, from->kind, from->line);
	n->truth = from->truth;
	n->count = from->count;
	if (holds_text(from)) {
		n->text = arena_text(doc, from->text, from->count);
	} else if (holds_entries(from)) {
		n->cap = n->count;
		n->entries = arena(doc, n->count * sizeof *n->entries);
		for (unsigned i = 0; i < n->count; i++) {
			n->entries[i].key = from->entries[i].key == NULL ? NULL : doc_strdup(doc, from->entries[i].key);
			n->entries[i].value = node_copy(doc, from->entries[i].value);
		}
	}
	return n;
}

/* ---- reading ---- */

enum node_kind node_kind(const struct node *n)
{
	return n == NULL ? NODE_NULL : (enum node_kind)n->kind;
}

const char *node_kind_name(enum node_kind kind)
{
	static const char *const names[] = { "null", "boolean", "number", "string", "list", "map" };
	return names[kind];
}

unsigned node_line(const struct node *n)
{
	return n == NULL ? 0 : n->line;
}

bool node_is(const struct node *n, enum node_kind kind)
{
	return n != NULL && n->kind == kind;
}

const char *node_text(const struct node *n)
{
	if (holds_text(n))
		return n->text;
	if (node_is(n, NODE_BOOL))
		return n->truth ? "true" : "false";
	return NULL;
}

size_t node_len(const struct node *n)
{
	return holds_text(n) ? n->count : 0;
}

const char *node_text_or(const struct node *n, const char *otherwise)
{
	const char *text = node_text(n);
	return text == NULL ? otherwise : text;
}

bool node_truth(const struct node *n, bool otherwise)
{
	return node_is(n, NODE_BOOL) ? n->truth : otherwise;
}

int64_t node_integer(const struct node *n, int64_t otherwise)
{
	if (!holds_text(n) || n->count == 0)
		return otherwise;
	char *end;
	errno = 0;
	long long value = strtoll(n->text, &end, 10);
	if (errno == 0 && *end == '\0')
		return value;
	if (n->kind != NODE_NUMBER)
		return otherwise;
	double d = strtod(n->text, NULL);
	return d >= -9.2e18 && d <= 9.2e18 && (double)(int64_t)d == d ? (int64_t)d : otherwise;
}

double node_double(const struct node *n, double otherwise)
{
	if (!holds_text(n) || n->count == 0)
		return otherwise;
	char *end;
	double value = strtod(n->text, &end);
	return *end == '\0' ? value : otherwise;
}

size_t node_count(const struct node *n)
{
	return holds_entries(n) ? n->count : 0;
}

struct node *node_at(const struct node *list, size_t i)
{
	return node_is(list, NODE_LIST) && i < list->count ? list->entries[i].value : NULL;
}

const char *node_key_at(const struct node *map, size_t i)
{
	return node_is(map, NODE_MAP) && i < map->count ? map->entries[i].key : NULL;
}

struct node *node_value_at(const struct node *map, size_t i)
{
	return node_is(map, NODE_MAP) && i < map->count ? map->entries[i].value : NULL;
}

static unsigned hash_text(const char *s)
{
	unsigned h = 2166136261u;
	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

/* The number of a key's entry, or -1. */
static long entry_of(const struct node *map, const char *key)
{
	if (map->index != NULL) {
		for (unsigned h = hash_text(key);; h++) {
			unsigned slot = map->index[h & (map->index_size - 1)];
			if (slot == 0)
				return -1;
			if (strcmp(map->entries[slot - 1].key, key) == 0)
				return (long)slot - 1;
		}
	}
	for (unsigned i = 0; i < map->count; i++)
		if (strcmp(map->entries[i].key, key) == 0)
			return (long)i;
	return -1;
}

static void index_add(struct node *map, unsigned i)
{
	unsigned h = hash_text(map->entries[i].key);
	while (map->index[h & (map->index_size - 1)] != 0)
		h++;
	map->index[h & (map->index_size - 1)] = i + 1;
}

static void index_entry(struct doc *doc, struct node *map)
{
	if (map->count < INDEX_FROM)
		return;
	if (map->index != NULL && map->count * 2 <= map->index_size) {
		index_add(map, map->count - 1);
		return;
	}
	unsigned size = 64;
	while (size < map->count * 4)
		size *= 2;
	map->index = arena(doc, size * sizeof *map->index);
	memset(map->index, 0, size * sizeof *map->index);
	map->index_size = size;
	for (unsigned i = 0; i < map->count; i++)
		index_add(map, i);
}

struct node *node_get(const struct node *map, const char *key)
{
	if (!node_is(map, NODE_MAP))
		return NULL;
	long i = entry_of(map, key);
	return i < 0 ? NULL : map->entries[i].value;
}

struct node *node_find(const struct node *n, const char *path)
{
	struct node *at = (struct node *)(uintptr_t)n;
	while (at != NULL && *path != '\0') {
		size_t len = strcspn(path, "/");
		char key[256];
		if (len >= sizeof key)
			return NULL;
		memcpy(key, path, len);
		key[len] = '\0';
		at = at->kind == NODE_LIST ? node_at(at, (size_t)strtoul(key, NULL, 10)) : node_get(at, key);
		path += len + (path[len] == '/');
	}
	return at;
}

const char *node_find_text(const struct node *n, const char *path)
{
	return node_text(node_find(n, path));
}

bool node_equal(const struct node *a, const struct node *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	if (a->kind != b->kind)
		return false;
	switch ((enum node_kind)a->kind) {
	case NODE_NULL:
		return true;
	case NODE_BOOL:
		return a->truth == b->truth;
	case NODE_STRING:
		return a->count == b->count && memcmp(a->text, b->text, a->count) == 0;
	case NODE_NUMBER:
		if (strcmp(a->text, b->text) == 0)
			return true;
		if (strpbrk(a->text, ".eE") == NULL && strpbrk(b->text, ".eE") == NULL)
			return false;
		double x = strtod(a->text, NULL);
		double y = strtod(b->text, NULL);
		return !(x < y) && !(y < x);
	case NODE_LIST:
		if (a->count != b->count)
			return false;
		for (unsigned i = 0; i < a->count; i++)
			if (!node_equal(a->entries[i].value, b->entries[i].value))
				return false;
		return true;
	case NODE_MAP:
		if (a->count != b->count)
			return false;
		for (unsigned i = 0; i < a->count; i++) {
			long j = entry_of(b, a->entries[i].key);
			if (j < 0 || !node_equal(a->entries[i].value, b->entries[j].value))
				return false;
		}
		return true;
	}
	return false;
}

/* ---- changing ---- */

static void make_room(struct doc *doc, struct node *n)
{
	if (n->count < n->cap)
		return;
	unsigned cap = n->cap == 0 ? 4 : n->cap * 2;
	struct entry *entries = arena(doc, cap * sizeof *entries);
	if (n->count > 0)
		memcpy(entries, n->entries, n->count * sizeof *entries);
	n->entries = entries;
	n->cap = cap;
}

void node_set(struct doc *doc, struct node *map, const char *key, struct node *value)
{
	long i = entry_of(map, key);
	if (i >= 0) {
		map->entries[i].value = value;
		return;
	}
	make_room(doc, map);
	map->entries[map->count++] = (struct entry){ doc_strdup(doc, key), value };
	index_entry(doc, map);
}

void node_set_text(struct doc *doc, struct node *map, const char *key, const char *text)
{
	if (text != NULL)
		node_set(doc, map, key, node_string(doc, text));
}

void node_set_int(struct doc *doc, struct node *map, const char *key, int64_t value)
{
	node_set(doc, map, key, node_int(doc, value));
}

void node_remove_at(struct node *n, size_t i)
{
	memmove(n->entries + i, n->entries + i + 1, (n->count - i - 1) * sizeof *n->entries);
	n->count--;
	n->index = NULL;
}

bool node_remove(struct node *map, const char *key)
{
	long i = node_is(map, NODE_MAP) ? entry_of(map, key) : -1;
	if (i >= 0)
		node_remove_at(map, (size_t)i);
	return i >= 0;
}

bool node_rename(struct node *map, const char *key, const char *new_key_in_arena)
{
	long i = entry_of(map, key);
	if (i < 0)
		return false;
	map->entries[i].key = (char *)(uintptr_t)new_key_in_arena;
	map->index = NULL;
	return true;
}

struct node *node_ensure_map(struct doc *doc, struct node *map, const char *key)
{
	struct node *n = node_get(map, key);
	if (!node_is(n, NODE_MAP)) {
		n = node_map(doc);
		node_set(doc, map, key, n);
	}
	return n;
}

void node_append(struct doc *doc, struct node *list, struct node *value)
{
	make_room(doc, list);
	list->entries[list->count++] = (struct entry){ NULL, value };
}

void node_insert(struct doc *doc, struct node *list, size_t i, struct node *value)
{
	make_room(doc, list);
	memmove(list->entries + i + 1, list->entries + i, (list->count - i) * sizeof *list->entries);
	list->entries[i] = (struct entry){ NULL, value };
	list->count++;
}

void node_replace_at(struct node *n, size_t i, struct node *value)
{
	n->entries[i].value = value;
}

void node_set_string(struct doc *doc, struct node *n, const char *text)
{
	unsigned line = n->line;
	size_t len = strlen(text);
	*n = (struct node){ .kind = NODE_STRING, .line = line, .count = (unsigned)len, .text = arena_text(doc, text, len) };
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

void node_sort_keys(struct node *n)
{
	if (!holds_entries(n))
		return;
	if (n->kind == NODE_MAP && n->count > 1) {
		qsort(n->entries, n->count, sizeof *n->entries, by_key);
		n->index = NULL;
	}
	for (unsigned i = 0; i < n->count; i++)
		node_sort_keys(n->entries[i].value);
}
