/*
 * http_curl: the real `struct http`, through libcurl.
 *
 * Owns a pool of keep-alive connections to one server, its TLS settings and its credentials. Every exchange has a deadline, TLS is 1.2 or
 * newer, redirects are answers like any other. libcurl's habit of sending a request again on a connection that turned out to be
 * dead is switched off for everything but GET and HEAD, so that a mutating request is on the wire at most once and a break after that is
 * ERROR_UNKNOWN_OUTCOME. An answer 401 makes it fetch the token anew and ask once more (a refused request did nothing). Safe for several
 * threads. Used by `cli` and `agent` to reach Flink, and by kube/kubeconfig to reach Kubernetes.
 */
#ifndef WEIR_HTTP_HTTP_CURL_H
#define WEIR_HTTP_HTTP_CURL_H

#include "http/http.h"

/* What a credentials function hands out; each NULL or an owned string. */
struct http_credentials {
	char *bearer;
	char *cert_pem, *key_pem;		       /* a client certificate and its key */
	char *access_key, *secret_key, *session_token; /* with the option aws_sigv4 */
};

void http_credentials_free(struct http_credentials *credentials);

/* All strings are copied; NULL means absent. Files are read by http_curl_open unless said otherwise. */
struct http_curl_options {
	const char *base_url;	 /* "https://host:port[/prefix]" */
	const char *unix_socket; /* connect there instead of to the URL's host */
	const char *ca_file;	 /* trust these authorities only, not the system's; ca_pem takes precedence */
	const char *ca_pem;
	const char *client_cert_file, *client_key_file;
	const char *client_cert_pem, *client_key_pem; /* take precedence over the files */
	bool insecure;				      /* accept any server certificate */
	const char *tls_server_name;		      /* expected in the certificate (and sent as SNI) in place of the URL's host */
	const char *proxy;			      /* NULL: from the environment, as libcurl does; "": none */
	const char *token;			      /* bearer token; token_file takes precedence */
	const char *token_file;			      /* read when first needed, again when older than 60 s or refused with 401 */
	const char *user, *password;		      /* basic authentication */
	/* "aws:amz:REGION:SERVICE": requests are signed with the credentials' access_key and secret_key; sort a query by name. No bodies. */
	const char *aws_sigv4;
	size_t max_body;	    /* of an answer in bytes, decompressed; 0: 64 MiB */
	int64_t connect_timeout_ms; /* 0: 5,000 */
	/*
	 * Further credentials, asked before every request, from any thread; it caches. `rejected`: the last ones were refused with 401, get
	 * new ones. NULL for none.
	 */
	bool (*credentials)(void *context, bool rejected, struct http_credentials *out, struct error *err);
	void (*credentials_free)(void *context); /* called by http_curl_close; NULL for none */
	void *credentials_context;
};

/* *out is owned: http_curl_close. ERROR_INVALID for a bad option or an unreadable file; the context then stays the caller's. */
bool http_curl_open(const struct http_curl_options *options, struct http **out, struct error *err);
/*
 * For the end of a process, from any thread, for all connections of all servers: from now on (or, with false, no longer) every exchange,
 * also one under way, ends within a fifth of a second with the error that its state calls for (see http.h).
 */
void http_curl_interrupt(bool on);

/* Closes all connections; no request and no stream may be under way. NULL is fine. */
void http_curl_close(struct http *http);

#endif
