#ifndef CYGNET_KEY_POOL_H
#define CYGNET_KEY_POOL_H

/// Places for the expanded keys of one direction of one SA, behind one another in large pages: a
/// gateway has very many, and each packet reads most of one.
enum { KEY_PLACE_OCTETS = 1024 };

/// A place on a boundary of its size; null if memory ran out. Any thread may call it.
void *cygnet_key_place_take(void);
/// Gives a place back, which the caller has wiped.
void cygnet_key_place_give(void *place);

#endif
