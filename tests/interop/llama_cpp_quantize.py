#!/usr/bin/env python3
"""Lets llama.cpp write a GGUF file anew, with its own llama_model_quantize. Used by node_llama_cpp.sh.

    llama_cpp_quantize.py MODULES IN.gguf OUT.gguf f32|f16|bf16|q8_0|q4_k_m      MODULES holds node-llama-cpp
"""
import ctypes
import glob
import os
import sys

modules, source, target, name = sys.argv[1:]
TYPES = {"f32": 0, "f16": 1, "q8_0": 7, "q4_k_m": 15, "bf16": 32}  # enum llama_ftype


class Params(ctypes.Structure):  # llama_model_quantize_params: its first two members, and room for the others
    _fields_ = [("threads", ctypes.c_int32), ("file_type", ctypes.c_int32), ("others", ctypes.c_uint8 * 512)]


folder = glob.glob(os.path.join(modules, "node_modules/@node-llama-cpp/linux-x64/bins/linux-x64"))[0]
for library in ["libggml-base.so", *sorted(os.path.basename(p) for p in glob.glob(folder + "/libggml.*so*"))]:
    ctypes.CDLL(os.path.join(folder, library), mode=ctypes.RTLD_GLOBAL)
ggml = ctypes.CDLL(glob.glob(folder + "/libggml*v*.so")[0], mode=ctypes.RTLD_GLOBAL)
ggml.ggml_backend_load.argtypes = [ctypes.c_char_p]
ggml.ggml_backend_load.restype = ctypes.c_void_p
ggml.ggml_backend_load(os.path.join(folder, "libggml-cpu-x64.so").encode())
llama = ctypes.CDLL(glob.glob(folder + "/libllama.*so")[0])
llama.llama_model_quantize_default_params.restype = Params
llama.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Params)]
llama.llama_model_quantize.restype = ctypes.c_uint32
params = llama.llama_model_quantize_default_params()
params.threads, params.file_type = 1, TYPES[name]
sys.exit(llama.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)))
