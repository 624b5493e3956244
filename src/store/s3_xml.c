#include "store/s3_xml.h"

#include <expat.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

enum { DEPTH_MAX = 16, TEXT_MAX = 8192, NAMES_MAX = 5000 };

struct reader {
	XML_Parser parser;
	struct s3_answer *answer;
	struct buf path; /* "/ListBucketResult/Contents/Key" */
	struct buf text; /* of the innermost element */
	unsigned depth;
	const char *refused;
};

static void names_free(struct s3_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
}

void s3_answer_free(struct s3_answer *answer)
{
	names_free(&answer->keys);
	names_free(&answer->prefixes);
	free(answer->token);
	free(answer->code);
	free(answer->message);
	*answer = (struct s3_answer){ 0 };
}

static void refuse(struct reader *r, const char *why)
{
	r->refused = why;
	(void)XML_StopParser(r->parser, XML_FALSE);
}

static void on_doctype(void *context, const XML_Char *name, const XML_Char *system, const XML_Char *public, int internal)
{
	(void)name, (void)system, (void)public, (void)internal;
	refuse(context, "a DOCTYPE has no place in it");
}

static void on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
	(void)attributes;
	struct reader *r = context;
	if (++r->depth > DEPTH_MAX || strlen(name) > 100) {
		refuse(r, "elements are nested too deeply or have too long names");
		return;
	}
	buf_printf(&r->path, "/%s", name);
	buf_clear(&r->text);
	if (strcmp(buf_text(&r->path), "/ListBucketResult") == 0)
		r->answer->listing = true;
}

static void on_text(void *context, const XML_Char *text, int len)
{
	struct reader *r = context;
	if (r->text.len + (size_t)len > TEXT_MAX)
		refuse(r, "a text is longer than 8192 bytes");
	else
		buf_append(&r->text, text, (size_t)len);
}

static void add(struct reader *r, struct s3_names *names)
{
	if (names->count >= NAMES_MAX) {
		refuse(r, "it has more than 5000 names");
		return;
	}
	names->items = mem_grow(names->items, names->count + 1, sizeof *names->items);
	names->items[names->count++] = mem_strdup(buf_text(&r->text));
}

static void put(char **to, const struct reader *r)
{
	free(*to);
	*to = mem_strdup(buf_text(&r->text));
}

static void on_end(void *context, const XML_Char *name)
{
	struct reader *r = context;
	struct s3_answer *a = r->answer;
	const char *path = buf_text(&r->path);
	if (r->refused != NULL)
		return;
	if (strcmp(path, "/ListBucketResult/Contents/Key") == 0)
		add(r, &a->keys);
	else if (strcmp(path, "/ListBucketResult/CommonPrefixes/Prefix") == 0)
		add(r, &a->prefixes);
	else if (strcmp(path, "/ListBucketResult/IsTruncated") == 0)
		a->truncated = strcmp(buf_text(&r->text), "true") == 0;
	else if (strcmp(path, "/ListBucketResult/NextContinuationToken") == 0)
		put(&a->token, r);
	else if (strcmp(path, "/Error/Code") == 0)
		put(&a->code, r);
	else if (strcmp(path, "/Error/Message") == 0)
		put(&a->message, r);
	r->path.len -= strlen(name) + 1;
	r->path.data[r->path.len] = '\0';
	buf_clear(&r->text);
	r->depth--;
}

bool s3_answer_read(const char *text, size_t len, struct s3_answer *answer, struct error *err)
{
	struct s3_answer found = { 0 };
	struct reader r = { .parser = XML_ParserCreate(NULL), .answer = &found };
	if (r.parser == NULL)
		return error_set(err, ERROR_TRANSIENT, "no XML parser");
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_start, on_end);
	XML_SetCharacterDataHandler(r.parser, on_text);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	bool good = len <= INT_MAX && XML_Parse(r.parser, text != NULL ? text : "", (int)len, XML_TRUE) == XML_STATUS_OK;
	if (!good)
		error_set(err, ERROR_INVALID, "the server's XML, line %lu: %s", (unsigned long)XML_GetCurrentLineNumber(r.parser),
			  r.refused != NULL ? r.refused : XML_ErrorString(XML_GetErrorCode(r.parser)));
	else if (!found.listing && found.code == NULL)
		good = error_set(err, ERROR_INVALID, "the server's XML: expected ListBucketResult, or Error with a Code");
	XML_ParserFree(r.parser);
	buf_free(&r.path);
	buf_free(&r.text);
	if (good)
		*answer = found;
	else
		s3_answer_free(&found);
	return good;
}
