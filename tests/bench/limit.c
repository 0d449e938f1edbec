/* How fast signatures of ASCII texts can be made on one core with AVX-512 and BMI2, written by
 * hand for that and nothing else: the limit that the portable kernels are measured against.
 * Computes what tallymark/fingerprint/minhash.py says. Build: gcc -O3 -march=native -shared -fPIC.
 */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define TOKEN_MULTIPLIER 0x9E3779B97F4A7C15ULL
#define TOKEN_START 0xC2B2AE3D27D4EB4FULL

typedef struct {
    uint8_t *folded;
    uint64_t *mask;
    uint32_t *place;
    uint64_t *first, *second, *length, *token;
    uint32_t *shingle;
} Scratch;

/* Lower case, and one bit for each word character. `text` may be read 63 bytes past its end. */
static void classify(const uint8_t *text, int64_t size, uint8_t *folded, uint64_t *mask) {
    const __m512i space = _mm512_set1_epi8(0x20), a = _mm512_set1_epi8('a'),
                  zero = _mm512_set1_epi8('0'), line = _mm512_set1_epi8('_');
    for (int64_t at = 0; at < size; at += 64) {
        __m512i byte = _mm512_loadu_si512(text + at), lower = _mm512_or_si512(byte, space);
        __mmask64 letter = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(lower, a), _mm512_set1_epi8(26));
        __mmask64 digit = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(byte, zero), _mm512_set1_epi8(10));
        __mmask64 word = letter | digit | _mm512_cmpeq_epi8_mask(byte, line);
        if (size - at < 64) word &= (1ULL << (size - at)) - 1;
        _mm512_storeu_si512(folded + at, _mm512_mask_mov_epi8(byte, letter, lower));
        mask[at / 64] = word;
    }
}

/* Starts and ends of the runs of set bits, in turn; how many runs. */
static int64_t cut(const uint64_t *mask, int64_t size, uint32_t *place) {
    uint8_t numbers[64];
    for (int i = 0; i < 64; i++) numbers[i] = i;
    const __m512i number = _mm512_loadu_si512(numbers);
    uint64_t carry = 0;
    uint32_t *end = place;
    for (int64_t at = 0; at < size; at += 64) {
        uint64_t word = mask[at / 64], edges = word ^ (word << 1 | carry);
        carry = word >> 63;
        int count = __builtin_popcountll(edges);
        __m512i packed = _mm512_maskz_compress_epi8(edges, number), base = _mm512_set1_epi32(at);
#define STORE(k) _mm512_storeu_si512(end + 16 * k, _mm512_add_epi32(base, \
        _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, k))))
        STORE(0);
        STORE(1);
        if (count > 32) {
            STORE(2);
            STORE(3);
        }
        end += count;
    }
    if (carry) *end++ = size;
    return (end - place) / 2;
}

static inline uint64_t load8(const uint8_t *from) {
    uint64_t value;
    memcpy(&value, from, 8);
    return value;
}

static inline uint64_t step(uint64_t state, uint64_t word) {
    state = (state ^ word) * TOKEN_MULTIPLIER;
    return state ^ state >> 32;
}

static uint64_t hash_long(const uint8_t *token, int64_t length) {
    uint64_t state = TOKEN_START;
    for (; length >= 8; token += 8, length -= 8) state = step(state, load8(token));
    return (uint32_t)step(state, _bzhi_u64(load8(token), 8 * length));
}

static inline __m512i step_8(__m512i state, __m512i word) {
    const __m512i multiplier = _mm512_set1_epi64(TOKEN_MULTIPLIER);
    state = _mm512_mullo_epi64(_mm512_xor_si512(state, word), multiplier);
    return _mm512_xor_si512(state, _mm512_srli_epi64(state, 32));
}

static void hash_tokens(const Scratch *s, int64_t count) {
    const __m512i eight = _mm512_set1_epi64(8), all = _mm512_set1_epi64(-1);
    for (int64_t i = 0; i < count; i++) {
        const uint8_t *token = s->folded + s->place[2 * i];
        s->first[i] = load8(token);
        s->second[i] = load8(token + 8);
        s->length[i] = s->place[2 * i + 1] - s->place[2 * i];
    }
    for (int64_t i = 0; i < count; i += 8) {
        __m512i length = _mm512_loadu_si512(s->length + i);
        __mmask8 is_short = _mm512_cmplt_epu64_mask(length, eight);
        __mmask8 is_long = _mm512_cmpge_epu64_mask(length, _mm512_set1_epi64(16));
        __m512i bits = _mm512_slli_epi64(_mm512_and_si512(length, _mm512_set1_epi64(7)), 3);
        __m512i rest = _mm512_andnot_si512(_mm512_sllv_epi64(all, bits), all);
        __m512i first = _mm512_loadu_si512(s->first + i);
        __m512i word = _mm512_mask_and_epi64(first, is_short, first, rest);
        __m512i state = step_8(_mm512_set1_epi64(TOKEN_START), word);
        __m512i more = _mm512_and_si512(_mm512_loadu_si512(s->second + i), rest);
        __m512i hash = _mm512_mask_mov_epi64(step_8(state, more), is_short, state);
        hash = _mm512_and_si512(hash, _mm512_set1_epi64(0xFFFFFFFF));
        _mm512_storeu_si512(s->token + i, hash);
        for (unsigned left = is_long; left; left &= left - 1) {
            int64_t at = i + __builtin_ctz(left);
            if (at < count) s->token[at] = hash_long(s->folded + s->place[2 * at], s->length[at]);
        }
    }
}

static inline __m512i mix_16(__m512i x) {
    x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 16));
    x = _mm512_mullo_epi32(x, _mm512_set1_epi32(0x85EBCA6B));
    x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 13));
    x = _mm512_mullo_epi32(x, _mm512_set1_epi32(0xC2B2AE35));
    return _mm512_xor_si512(x, _mm512_srli_epi32(x, 16));
}

static uint32_t mix(uint32_t x) {
    return _mm_cvtsi128_si32(_mm512_castsi512_si128(mix_16(_mm512_set1_epi32(x))));
}

static inline __m512i shingle_8(const uint64_t *token, const uint64_t *key) {
    __m512i total = _mm512_set1_epi64(key[5]);
    for (int k = 0; k < 5; k++)
        total = _mm512_add_epi64(total, _mm512_mullo_epi64(_mm512_set1_epi64(key[k]),
                                                           _mm512_loadu_si512(token + k)));
    return _mm512_srli_epi64(total, 32);
}

/* The mixed hashes of the shingles of `count` tokens; how many. */
static int64_t hash_shingles(const Scratch *s, int64_t count, const uint64_t *key) {
    if (count == 0) return 0;
    if (count < 5) {
        uint64_t total = key[5];
        for (int64_t i = 0; i < count; i++) total += key[5 - count + i] * s->token[i];
        s->shingle[0] = mix(total >> 32);
        return 1;
    }
    for (int64_t i = 0; i < count - 4; i += 16) {
        __m256i low = _mm512_cvtepi64_epi32(shingle_8(s->token + i, key));
        __m256i high = _mm512_cvtepi64_epi32(shingle_8(s->token + i + 8, key));
        __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
        _mm512_storeu_si512(s->shingle + i, mix_16(both));
    }
    return count - 4;
}

/* The least a*h + b of 128 permutations, all of them in registers. */
static void minima(const uint32_t *hash, int64_t count, const uint32_t *a, const uint32_t *b,
                   uint32_t *signature) {
    __m512i A[8], B[8], S[8];
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++) {
        A[k] = _mm512_loadu_si512(a + 16 * k);
        B[k] = _mm512_loadu_si512(b + 16 * k);
        S[k] = _mm512_set1_epi32(-1);
    }
    for (int64_t i = 0; i < count; i++) {
        __m512i h = _mm512_set1_epi32(hash[i]);
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++)
            S[k] = _mm512_min_epu32(S[k], _mm512_add_epi32(_mm512_mullo_epi32(h, A[k]), B[k]));
    }
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++) _mm512_storeu_si512(signature + 16 * k, S[k]);
}

/* Sign `count` ASCII records of Arrow's layout; `source` has 128 bytes to spare at its end. */
void sign(const uint8_t *source, const int64_t *offset, int64_t count, const uint64_t *key,
          const uint32_t *a, const uint32_t *b, uint32_t *signature, const Scratch *scratch) {
    for (int64_t record = 0; record < count; record++) {
        int64_t size = offset[record + 1] - offset[record];
        classify(source + offset[record], size, scratch->folded, scratch->mask);
        int64_t tokens = cut(scratch->mask, size, scratch->place);
        hash_tokens(scratch, tokens);
        int64_t shingles = hash_shingles(scratch, tokens, key);
        minima(scratch->shingle, shingles, a, b, signature + 128 * record);
    }
}
