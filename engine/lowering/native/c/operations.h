#pragma once
#include <stdint.h>

/* ---- The operations: name, number of arguments, vector expression of a, b, c. One row an operation of the engine's
 * table; copy is made by tapes.py alone. ---- */
#define TAPE_OPS(X)                                                                                                  \
    X(add, 2, a + b) X(sub, 2, a - b) X(mul, 2, a *b) X(div, 2, a / b) X(neg, 1, -a) X(pow, 2, lanes_pow(a, b))      \
    X(abs, 1, abs_(a)) X(exp, 1, exp_(a)) X(expm1, 1, expm1_(a)) X(exp2, 1, lanes_exp2(a)) X(log, 1, log_(a))        \
    X(log1p, 1, log1p_(a)) X(log2, 1, lanes_log2(a)) X(log10, 1, lanes_log10(a)) X(sqrt, 1, sqrt_(a))                \
    X(cbrt, 1, lanes_cbrt(a)) X(reciprocal, 1, 1.0 / a) X(sin, 1, lanes_sin(a)) X(cos, 1, lanes_cos(a))              \
    X(tan, 1, lanes_tan(a)) X(asin, 1, lanes_asin(a)) X(acos, 1, lanes_acos(a)) X(atan, 1, lanes_atan(a))            \
    X(atan2, 2, lanes_atan2(a, b)) X(sinh, 1, lanes_sinh(a)) X(cosh, 1, lanes_cosh(a)) X(tanh, 1, tanh_(a))          \
    X(asinh, 1, lanes_asinh(a)) X(acosh, 1, lanes_acosh(a)) X(atanh, 1, lanes_atanh(a)) X(sigmoid, 1, sigmoid_(a))   \
    X(logsigmoid, 1, -softplus_(-a)) X(softplus, 1, softplus_(a)) X(relu, 1, select_(a <= 0.0, zero_(), a))          \
    X(leaky_relu, 2, select_(a > 0.0, a, a * b))                                                                     \
    X(elu, 2, select_(a > 0.0, a, b * expm1_(select_(a > 0.0, zero_(), a)))) X(silu, 1, a *sigmoid_(a))              \
    X(gelu, 1, 0.5 * a * lanes_erfc(a * -0.7071067811865476)) X(erf, 1, lanes_erf(a)) X(erfc, 1, lanes_erfc(a))      \
    X(maximum, 2, max_(a, b)) X(minimum, 2, min_(a, b)) X(clip, 3, select_((a > c) | (b > c), c, select_(a < b, b, a))) \
    X(hypot, 2, lanes_hypot(a, b)) X(logaddexp, 2, logaddexp_(a, b)) X(where, 3, select_(a != 0.0, b, c))            \
    X(gt, 2, truth(a > b)) X(ge, 2, truth(a >= b)) X(lt, 2, truth(a < b)) X(le, 2, truth(a <= b))                    \
    X(eq, 2, truth(a == b)) X(ne, 2, truth(a != b))                                                                  \
    X(bce, 2, -(b * max_(log_(a), splat(-100.0)) + (1.0 - b) * max_(log1p_(-a), splat(-100.0))))                     \
    X(bce_with_logits, 2, bce_with_logits_(a, b))                                                                    \
    X(sigmoid_slope, 1, sigmoid_slope_(a)) X(tanh_slope, 1, tanh_slope_(a)) X(hypot_slope, 2, lanes_hypot_slope(a, b))\
    X(floor, 1, lanes_floor(a)) X(ceil, 1, lanes_ceil(a)) X(round, 1, lanes_rint(a))                                 \
    X(sign, 1, truth(a > 0.0) - truth(a < 0.0)) X(mod, 2, lanes_mod(a, b))                                           \
    X(copy, 1, a)

#define ENUM(NAME, ARITY, EXPR) OP_##NAME,
enum { TAPE_OPS(ENUM) OP_CODES };
#define ARITY_(NAME, ARITY, EXPR) ARITY,
static const int32_t op_arity[] = {TAPE_OPS(ARITY_)};
