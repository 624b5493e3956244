#include "http/http.h"

#include <string.h>

void http_response_free(struct http_response *response)
{
	if (response == NULL)
		return;
	buf_free(&response->body);
	*response = (struct http_response){ 0 };
}

bool http_send(const struct http *http, const struct http_request *request, struct http_response *response, struct error *err)
{
	if (request->method == NULL || request->path == NULL || request->path[0] != '/')
		return error_set(err, ERROR_BUG, "http: a request needs a method and an absolute path");
	struct http_response answer = { 0 };
	if (!http->send(http->context, request, &answer, err)) {
		http_response_free(&answer);
		return false;
	}
	*response = answer;
	return true;
}
