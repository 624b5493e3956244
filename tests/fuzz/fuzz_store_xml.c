/* Any bytes as an S3 server's answer: refused, or a listing or error whose parts are all there. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "store/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct s3_answer answer = { 0 };
	struct error err = ERROR_INIT;
	if (!s3_answer_read((const char *)data, size, &answer, &err)) {
		if (err.kind == ERROR_NONE || answer.keys.count != 0 || answer.code != NULL)
			__builtin_trap();
		return 0;
	}
	if (!answer.listing && answer.code == NULL)
		__builtin_trap();
	size_t total = 0;
	for (size_t i = 0; i < answer.keys.count; i++)
		total += strlen(answer.keys.items[i]);
	for (size_t i = 0; i < answer.prefixes.count; i++)
		total += strlen(answer.prefixes.items[i]);
	if (total > size * 8)
		__builtin_trap();
	s3_answer_free(&answer);
	return 0;
}
