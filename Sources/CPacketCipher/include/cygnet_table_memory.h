#ifndef CYGNET_TABLE_MEMORY_H
#define CYGNET_TABLE_MEMORY_H
#include <stddef.h>

/// Memory for a table with a place for each SA, which may become very large and mostly does not.

/// Addresses for `octets`, none of which may be used yet. Ends the process if there are none.
void *cygnet_table_reserve(size_t octets);
/// Makes the memory up to `octets` from the start usable, a step further at a time; what is new
/// holds zeros. Returns how much is usable now. `usable` is what an earlier call returned, 0 at
/// first, `reserved` the table's whole size. Ends the process if memory ran out.
size_t cygnet_table_extend(void *table, size_t usable, size_t octets, size_t reserved);
void cygnet_table_release(void *table, size_t reserved);

#endif
