#include "CInternetChecksum.h"

#include <string.h>

// Each variant adds up 32-bit words in 64-bit lanes, where no carry is lost.

struct variant {
    uint64_t (*sum)(const uint8_t *bytes, size_t count);
    uint64_t (*copy)(uint8_t *target, const uint8_t *source, size_t count);
    int (*is_supported)(void);
};

/// Fewer than eight octets.
static inline uint64_t sum_rest(const uint8_t *bytes, size_t count) {
    uint64_t last = 0;
    for (size_t index = 0; index < count; index++) {
        ((uint8_t *)&last)[index] = bytes[index];
    }
    return (last & 0xffffffff) + (last >> 32);
}

static inline uint64_t portable(uint8_t *target, const uint8_t *source, size_t count, int copies) {
    uint64_t total = 0;
    while (count >= 8) {
        uint64_t word;
        memcpy(&word, source, 8);
        if (copies) {
            memcpy(target, &word, 8);
            target += 8;
        }
        total += (word & 0xffffffff) + (word >> 32);
        source += 8;
        count -= 8;
    }
    if (copies) {
        memcpy(target, source, count);
    }
    return total + sum_rest(source, count);
}

static uint64_t sum_portable(const uint8_t *bytes, size_t count) {
    return portable(NULL, bytes, count, 0);
}

static uint64_t copy_portable(uint8_t *target, const uint8_t *source, size_t count) {
    return portable(target, source, count, 1);
}

static int always(void) {
    return 1;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw")))

AVX2 static inline uint64_t avx2(
    uint8_t *target, const uint8_t *source, size_t count, int copies) {
    const __m256i low = _mm256_set1_epi64x(0xffffffff);
    __m256i even = _mm256_setzero_si256();
    __m256i odd = _mm256_setzero_si256();
    while (count >= 32) {
        __m256i words = _mm256_loadu_si256((const __m256i *)source);
        if (copies) {
            _mm256_storeu_si256((__m256i *)target, words);
            target += 32;
        }
        even = _mm256_add_epi64(even, _mm256_and_si256(words, low));
        odd = _mm256_add_epi64(odd, _mm256_srli_epi64(words, 32));
        source += 32;
        count -= 32;
    }
    uint64_t lanes[4];
    _mm256_storeu_si256((__m256i *)lanes, _mm256_add_epi64(even, odd));
    return lanes[0] + lanes[1] + lanes[2] + lanes[3] + portable(target, source, count, copies);
}

AVX512 static inline uint64_t avx512(
    uint8_t *target, const uint8_t *source, size_t count, int copies) {
    const __m512i low = _mm512_set1_epi64(0xffffffff);
    __m512i even = _mm512_setzero_si512();
    __m512i odd = _mm512_setzero_si512();
    while (count >= 64) {
        __m512i words = _mm512_loadu_si512(source);
        if (copies) {
            _mm512_storeu_si512(target, words);
            target += 64;
        }
        even = _mm512_add_epi64(even, _mm512_and_si512(words, low));
        odd = _mm512_add_epi64(odd, _mm512_srli_epi64(words, 32));
        source += 64;
        count -= 64;
    }
    if (count > 0) {
        __mmask64 rest = ~0ull >> (64 - count);
        __m512i words = _mm512_maskz_loadu_epi8(rest, source);
        if (copies) {
            _mm512_mask_storeu_epi8(target, rest, words);
        }
        even = _mm512_add_epi64(even, _mm512_and_si512(words, low));
        odd = _mm512_add_epi64(odd, _mm512_srli_epi64(words, 32));
    }
    return (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(even, odd));
}

AVX2 static uint64_t sum_avx2(const uint8_t *bytes, size_t count) {
    return avx2(NULL, bytes, count, 0);
}

AVX2 static uint64_t copy_avx2(uint8_t *target, const uint8_t *source, size_t count) {
    return avx2(target, source, count, 1);
}

AVX512 static uint64_t sum_avx512(const uint8_t *bytes, size_t count) {
    return avx512(NULL, bytes, count, 0);
}

AVX512 static uint64_t copy_avx512(uint8_t *target, const uint8_t *source, size_t count) {
    return avx512(target, source, count, 1);
}

static int has_avx2(void) {
    return __builtin_cpu_supports("avx2");
}

static int has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}
#endif

/// The widest first; the last is always supported.
static const struct variant variants[] = {
#if defined(__x86_64__)
    {sum_avx512, copy_avx512, has_avx512},
    {sum_avx2, copy_avx2, has_avx2},
#endif
    {sum_portable, copy_portable, always},
};

static struct variant chosen = {sum_portable, copy_portable, always};

/// Before `main`, so that no thread ever sees a change.
__attribute__((constructor)) static void choose(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    const struct variant *best = variants;
    while (!best->is_supported()) {
        best++;
    }
    chosen = *best;
}

uint64_t cygnet_internet_sum(const void *bytes, size_t count) {
    return chosen.sum(bytes, count);
}

uint64_t cygnet_internet_copy_and_sum(void *target, const void *source, size_t count) {
    return chosen.copy(target, source, count);
}

size_t cygnet_internet_variants(void) {
    return sizeof variants / sizeof variants[0];
}

int cygnet_internet_variant_is_supported(size_t variant) {
    return variants[variant].is_supported();
}

uint64_t cygnet_internet_variant_sum(size_t variant, const void *bytes, size_t count) {
    return variants[variant].sum(bytes, count);
}

uint64_t cygnet_internet_variant_copy_and_sum(
    size_t variant, void *target, const void *source, size_t count) {
    return variants[variant].copy(target, source, count);
}
