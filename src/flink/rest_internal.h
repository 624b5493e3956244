/* rest_internal: the exchange itself, shared by the rest*.c files. */
#ifndef WEIR_FLINK_REST_INTERNAL_H
#define WEIR_FLINK_REST_INTERNAL_H

#include "base/doc.h"
#include "flink/rest.h"

/* One exchange of a request that is ready made. The answer's document, owned by the caller; NULL on error. */
struct doc *rest_exchange(const struct http *http, const struct http_request *request, struct error *err);
/* The same with a JSON body, which may be NULL. */
struct doc *rest_call(const struct http *http, const char *method, const char *path, const struct node *body, struct error *err);
/* "/v1/jobs/JOB" and what follows. */
void rest_job_path(struct buf *out, const char *job, const char *rest);
/* Copies at most size-1 bytes; NULL gives "". Never cuts inside a UTF-8 sequence. */
void rest_copy(char *out, size_t size, const char *text);
/* As above for what must not be cut: ERROR_LIMIT names `what`. */
bool rest_copy_whole(char *out, size_t size, const char *text, const char *what, struct error *err);
/* A stack trace without its frames: the message and the causes; of too many the first ones and the last. */
void rest_copy_trace(char *out, size_t size, const char *trace);

#endif
