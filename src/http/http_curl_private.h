/*
 * http_curl_private: what http_curl.c (the pool, the exchange), http_curl_work.c and http_curl_stream.c share. Not for others.
 */
#ifndef WEIR_HTTP_HTTP_CURL_PRIVATE_H
#define WEIR_HTTP_HTTP_CURL_PRIVATE_H

#include <curl/curl.h>
#include <pthread.h>

#include "http/http_curl.h"

enum { HTTP_CURL_IDLE_MAX = 16 };

/* A request's handle, and the one that drives it, which holds the connection that is kept alive. */
struct http_handle {
	CURL *easy;
	CURLM *multi;
};

struct http_curl {
	struct http http; /* first: the pointer handed out is this */
	char *base;	  /* without a slash at the end */
	char *connect_to; /* "name:port:host:port" where tls_server_name differs from the host, with host_header */
	char *host_header;
	char *unix_socket, *proxy, *user, *password, *aws_sigv4;
	char *ca, *cert, *key; /* PEM */
	bool insecure;
	size_t max_body;
	int64_t connect_timeout_ms;
	bool (*credentials)(void *context, bool rejected, struct http_credentials *out, struct error *err);
	void (*credentials_free)(void *context);
	void *credentials_context;

	pthread_mutex_t lock; /* guards everything below */
	struct http_handle idle[HTTP_CURL_IDLE_MAX];
	size_t idle_count;
	char *token, *token_file;
	int64_t token_read_ms;
};

/* One request in flight: everything that has to live until it is over. */
struct http_exchange {
	CURL *easy;
	CURLM *multi;
	struct curl_slist *headers, *connect_to;
	struct http_credentials credentials;
	char *url;
	bool safe;     /* GET or HEAD: may be sent twice */
	unsigned sent; /* how often libcurl got as far as sending it */
	char problem[CURL_ERROR_SIZE];
	bool ended;
	CURLcode code; /* once ended */
};

/* Fills exchange->easy from the request, and gives it to exchange->multi to begin with http_exchange_work; the body is borrowed for as long as the exchange lives. */
bool http_exchange_prepare(struct http_curl *curl, const struct http_request *request, bool rejected, struct http_exchange *exchange,
			   struct error *err);
/*
 * Lets libcurl work once; waits beforehand for something to do, up to wait_ms but never long, so that the caller asks again. Sets
 * exchange->ended.
 */
void http_exchange_work(struct http_exchange *exchange, int64_t wait_ms);
/* Gives the handle back (or drops it) and frees the rest. */
void http_exchange_end(struct http_curl *curl, struct http_exchange *exchange, bool reusable);
/* Turns libcurl's code into an error of the kind that http.h promises. */
bool http_exchange_error(const struct http_curl *curl, const struct http_request *request, const struct http_exchange *exchange,
			 CURLcode code, struct error *err);
/* Can a request refused with 401 be tried with other credentials? */
bool http_curl_can_renew(const struct http_curl *curl);

struct http_stream *http_curl_stream_open(void *context, const struct http_request *request, int *status, struct buf *problem,
					  struct error *err);
bool http_curl_stream_read(struct http_stream *stream, struct buf *out, int64_t wait_ms, struct error *err);
void http_curl_stream_close(struct http_stream *stream);

#endif
