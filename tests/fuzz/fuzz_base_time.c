/* Any text as a timestamp: what is read prints as text that reads back as the same moment. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/wtime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTOFREE char *text = mem_strndup((const char *)data, size);
	int64_t micros, again;
	if (!time_parse_micro(text, &micros))
		return 0;
	char out[TIME_TEXT_MAX];
	time_format_micro(micros, out);
	bool outside = micros < -62167219200000000 || micros > 253402300799999999; /* an offset may lead out of years 0 to 9999 */
	if (!time_parse_micro(out, &again) || (again != micros && !outside))
		__builtin_trap();
	return 0;
}
