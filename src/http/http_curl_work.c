/* The loop under every exchange: libcurl's, cut into pieces so that the end of the process need not wait for a server. */
#include <stdatomic.h>
#include <string.h>

#include "http/http_curl_private.h"

enum { PIECE_MS = 200 };

static atomic_bool interrupted; /* of the process, as signals are */

void http_curl_interrupt(bool on)
{
	atomic_store(&interrupted, on);
}

static void end(struct http_exchange *exchange, CURLcode code, const char *problem)
{
	exchange->ended = true;
	exchange->code = code;
	if (problem != NULL)
		(void)snprintf(exchange->problem, sizeof exchange->problem, "%s", problem);
}

void http_exchange_work(struct http_exchange *exchange, int64_t wait_ms)
{
	int running = 0, left = 0;
	CURLMcode code = CURLM_OK;
	if (wait_ms > 0 && !atomic_load(&interrupted))
		code = curl_multi_poll(exchange->multi, NULL, 0, wait_ms > PIECE_MS ? PIECE_MS : (int)wait_ms, NULL);
	if (atomic_load(&interrupted)) {
		curl_easy_setopt(exchange->easy, CURLOPT_QUICK_EXIT, 1L); /* nor wait for the resolver */
		end(exchange, CURLE_ABORTED_BY_CALLBACK, "not waited for, as this process ends");
		return;
	}
	if (code == CURLM_OK)
		code = curl_multi_perform(exchange->multi, &running);
	if (code != CURLM_OK)
		end(exchange, CURLE_RECV_ERROR, curl_multi_strerror(code));
	for (CURLMsg *message; (message = curl_multi_info_read(exchange->multi, &left)) != NULL;)
		if (message->msg == CURLMSG_DONE)
			end(exchange, message->data.result, NULL);
}
