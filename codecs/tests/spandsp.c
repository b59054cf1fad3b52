/* The other side of tests/g722_spandsp.rs: G.722 by spandsp, from standard input to standard output.
   Samples are 16 bits in the machine's order. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <spandsp.h>

#define MOST (1 << 24)

int main(int argc, char **argv)
{
    static uint8_t input[MOST];
    static uint8_t output[4 * MOST];
    size_t length = fread(input, 1, MOST, stdin);
    int options = argc > 3 && !strcmp(argv[3], "narrow") ? G722_SAMPLE_RATE_8000 : 0;
    size_t written;
    if (argc < 3 || length == MOST)
        return 2;
    if (!strcmp(argv[1], "decode")) {
        g722_decode_state_t *state = g722_decode_init(NULL, atoi(argv[2]), options);
        written = 2 * (size_t) g722_decode(state, (int16_t *) output, input, (int) length);
    } else {
        g722_encode_state_t *state = g722_encode_init(NULL, atoi(argv[2]), options);
        written = (size_t) g722_encode(state, output, (int16_t *) input, (int) (length / 2));
    }
    return fwrite(output, 1, written, stdout) == written ? 0 : 1;
}
