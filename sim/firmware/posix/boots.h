/* The boot count: what EEPROM keeps on a controller, and nothing else. */
#ifndef BOOTS_H
#define BOOTS_H

#include <stdbool.h>

/* Keeps the count in a file from now on (null: in memory); false, with a sentence on stderr, when it holds no count. */
bool boots_keep_in(const char *path);

#endif
