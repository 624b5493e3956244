# Turns a JSON text into lines of PATH, a tab and the value, such as `.jobs[0].state<TAB>RUNNING`, for shell scripts without a JSON
# tool. Line breaks and tabs in strings become spaces. Exit status 1 if the text is no JSON.
{ text = text $0 "\n" }

function blank() {
	while (pos <= size && index(" \t\r\n", substr(text, pos, 1)) > 0)
		pos++
}

function broken() {
	bad = 1
	pos = size + 1
}

function string(    out, c) {
	out = ""
	for (pos++; pos <= size && (c = substr(text, pos, 1)) != "\""; pos++) {
		if (c == "\\") {
			c = substr(text, ++pos, 1)
			if (index("nrtbf", c) > 0)
				c = " "
			else if (c == "u") {
				c = "?"
				pos += 4
			}
		}
		out = out (c == "\t" || c == "\n" ? " " : c)
	}
	if (pos > size)
		broken()
	pos++
	return out
}

function value(path,    c, i, key) {
	blank()
	c = substr(text, pos, 1)
	if (c == "{" || c == "[") {
		pos++
		for (i = 0; ; i++) {
			blank()
			if (pos > size)
				return broken()
			if (index("}]", substr(text, pos, 1)) > 0)
				break
			if (substr(text, pos, 1) == ",") {
				pos++
				blank()
			}
			if (c == "[") {
				value(path "[" i "]")
			} else {
				if (substr(text, pos, 1) != "\"")
					return broken()
				key = string()
				blank()
				pos++
				value(path "." key)
			}
		}
		pos++
	} else if (c == "\"") {
		print path "\t" string()
	} else if (match(substr(text, pos, 64), /^[-+.A-Za-z0-9]+/)) {
		print path "\t" substr(text, pos, RLENGTH)
		pos += RLENGTH
	} else {
		broken()
	}
}

END {
	size = length(text)
	pos = 1
	value("")
	exit bad
}
