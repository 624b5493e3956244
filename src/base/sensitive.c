#include "base/sensitive.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"

/* Compared with the key in lower case, without '-', '_' and '.'. */
static const char *const words[] = {
	"password",   "passwd",	    "passphrase", "secret",	"token",	 "credential", "apikey",     "accesskey",
	"accountkey", "privatekey", "servicekey", "authparams", "authorization", "basicauth",  "jaasconfig", "httpheaders",
};

bool sensitive_key(const char *key)
{
	if (key == NULL)
		return false;
	AUTOBUF bare = BUF_INIT;
	for (const unsigned char *p = (const unsigned char *)key; *p != '\0'; p++)
		if (strchr("-_.", *p) == NULL)
			buf_putc(&bare, (char)tolower(*p));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(buf_text(&bare), words[i]) != NULL)
			return true;
	return false;
}

const char *sensitive_value(const char *key, const char *value)
{
	return value != NULL && sensitive_key(key) ? SENSITIVE_MASK : value;
}

void sensitive_put_text(struct buf *out, const char *text)
{
	for (const char *scheme; (scheme = strstr(text, "://")) != NULL;) {
		const char *start = scheme + 3;
		size_t authority = strcspn(start, "/?# \t\r\n\"'<>");
		const char *at = memrchr(start, '@', authority);
		buf_append(out, text, (size_t)(start - text));
		text = start;
		if (at != NULL) {
			buf_puts(out, SENSITIVE_MASK);
			text = at;
		}
	}
	buf_puts(out, text);
}
