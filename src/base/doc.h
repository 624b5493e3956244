/*
 * doc: the one document model for manifests and Kubernetes objects.
 *
 * A document owns an arena; all its nodes and strings live there and go with doc_free(). Maps keep their order, numbers keep their source
 * text (so that 2^53+1 and "1.0" survive), every node knows its line. Nodes of one document are never linked into another: node_copy()
 * copies. YAML comes in through libyaml (YAML 1.1 syntax, with the scalar rules of YAML 1.2's core schema plus yes/no/on/off kept as
 * strings, as Kubernetes' YAML library reads them into JSON types), JSON through a reader of our own (RFC 8259).
 */
#ifndef WEIR_BASE_DOC_H
#define WEIR_BASE_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum node_kind { NODE_NULL, NODE_BOOL, NODE_NUMBER, NODE_STRING, NODE_LIST, NODE_MAP };

struct doc;
struct node;

/* Maxima for outside input; 0 means the default. */
struct doc_limits {
	size_t bytes; /* default 16 MiB */
	size_t nodes; /* default 1,000,000; alias expansion counts */
	size_t depth; /* default 200 */
};

struct doc *doc_new(void);
void doc_free(struct doc *doc); /* NULL is fine */
void doc_freep(struct doc **doc);
#define AUTODOC __attribute__((cleanup(doc_freep))) struct doc
struct node *doc_root(const struct doc *doc); /* NULL for an empty document */
void doc_set_root(struct doc *doc, struct node *root);
/* The name that messages give for where the document came from ("" if none); copied. */
const char *doc_file(const struct doc *doc);
void doc_set_file(struct doc *doc, const char *file);
/* A copy of the text in the document's arena. */
char *doc_strdup(struct doc *doc, const char *text);
size_t doc_bytes(const struct doc *doc); /* memory held */

/* ---- making nodes (all in `doc`) ---- */
struct node *node_null(struct doc *doc);
struct node *node_bool(struct doc *doc, bool value);
struct node *node_int(struct doc *doc, int64_t value);
struct node *node_number(struct doc *doc, const char *text); /* text must be a JSON number */
struct node *node_string(struct doc *doc, const char *text);
struct node *node_stringn(struct doc *doc, const char *text, size_t len);
struct node *node_printf(struct doc *doc, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct node *node_list(struct doc *doc);
struct node *node_map(struct doc *doc);
struct node *node_copy(struct doc *doc, const struct node *from); /* deep; NULL in, NULL out */

/* ---- reading; every function takes NULL for a node that is not there ---- */
enum node_kind node_kind(const struct node *n); /* NULL: NODE_NULL */
const char *node_kind_name(enum node_kind kind);
unsigned node_line(const struct node *n);
bool node_is(const struct node *n, enum node_kind kind); /* false for NULL */
/* The text of a string, number or bool; NULL for others and for NULL. */
const char *node_text(const struct node *n);
size_t node_len(const struct node *n); /* of a string in bytes */
const char *node_text_or(const struct node *n, const char *otherwise);
bool node_truth(const struct node *n, bool otherwise); /* of a bool */
/* An integral number, or a string that reads as one. */
int64_t node_integer(const struct node *n, int64_t otherwise);
double node_double(const struct node *n, double otherwise);
size_t node_count(const struct node *n);			/* elements of a list or map */
struct node *node_at(const struct node *list, size_t i);	/* a list's element */
const char *node_key_at(const struct node *map, size_t i);	/* a map's key */
struct node *node_value_at(const struct node *map, size_t i);	/* a map's value */
struct node *node_get(const struct node *map, const char *key); /* NULL if absent or no map */
/* Along keys separated by '/', e.g. "metadata/name"; list elements by number. For keys that hold '/' use node_get. */
struct node *node_find(const struct node *n, const char *path);
const char *node_find_text(const struct node *n, const char *path); /* node_text(node_find()) */
bool node_equal(const struct node *a, const struct node *b);	    /* maps: in any order; numbers: by text, else by value */

/* ---- changing ---- */
void node_set(struct doc *doc, struct node *map, const char *key, struct node *value);	  /* replaces in place or appends */
void node_set_text(struct doc *doc, struct node *map, const char *key, const char *text); /* NULL text: nothing happens */
void node_set_int(struct doc *doc, struct node *map, const char *key, int64_t value);
bool node_remove(struct node *map, const char *key); /* was it there? */
bool node_rename(struct node *map, const char *key, const char *new_key_in_arena);
struct node *node_ensure_map(struct doc *doc, struct node *map, const char *key); /* the map under key, made if missing */
void node_append(struct doc *doc, struct node *list, struct node *value);
void node_insert(struct doc *doc, struct node *list, size_t i, struct node *value);
void node_remove_at(struct node *list_or_map, size_t i);
void node_replace_at(struct node *list_or_map, size_t i, struct node *value);
void node_set_string(struct doc *doc, struct node *n, const char *text); /* turns any node into a string */
void node_sort_keys(struct node *n);					 /* recursively, by byte value */

/* ---- text ---- */
/*
 * Reads all YAML documents of a text. *docs is an array of *count owned documents (free each and the array: doc_list_free); documents
 * without content are left out. Errors are ERROR_INVALID or ERROR_LIMIT and name FILE:LINE. Duplicate keys are errors. Aliases are
 * expanded and count against the limits.
 */
bool doc_parse_yaml(const char *text, size_t len, const char *file, const struct doc_limits *limits, struct doc ***docs, size_t *count,
		    struct error *err);
void doc_list_free(struct doc **docs, size_t count);
/* One YAML document; an empty text gives a document without root. */
struct doc *doc_parse_yaml_one(const char *text, size_t len, const char *file, struct error *err);
struct doc *doc_parse_json(const char *text, size_t len, const char *file, const struct doc_limits *limits, struct error *err);

enum { JSON_COMPACT = 0, JSON_PRETTY = 1, JSON_SORTED = 2 };
void node_to_json(const struct node *n, struct buf *out, unsigned flags);
/* Block YAML, two blanks indentation, lists not indented under their key; strings quoted only where they need it. */
void node_to_yaml(const struct node *n, struct buf *out);

#endif
