/*
 * text_map: a ConfigMap that holds one text under one key, written by compare and swap: how ledgers and inventories are kept.
 */
#ifndef WEIR_SYNC_TEXT_MAP_H
#define WEIR_SYNC_TEXT_MAP_H

#include "kube/kube.h"

enum { TEXT_MAP_VERSION = 64 };

struct text_map {
	const char *ns, *name, *key;		   /* borrowed */
	const char *label, *label_value;	   /* to find it by */
	const char *annotation, *annotation_value; /* kept when it is written; NULL: none */
};

/*
 * *map is the ConfigMap, owned, or NULL if there is none (which is no error); *text lies in it; version is "" for none. A ConfigMap
 * without the key is ERROR_INVALID.
 */
bool text_map_read(struct kube *kube, const struct text_map *at, struct doc **map, const struct node **text, char version[TEXT_MAP_VERSION],
		   struct error *err);
/* Creates it where version is "", else replaces exactly that version: ERROR_CONFLICT if it is another by now. version gets the new one. */
bool text_map_write(struct kube *kube, const struct text_map *at, const char *text, char version[TEXT_MAP_VERSION], struct error *err);

#endif
