"""A network as TensorFlow Lite writes it: convolutions one after the other, in bytes with a scale for each output."""

from __future__ import annotations

from pathlib import Path

import flatbuffers
import numpy as np
import tflite
from numpy.typing import NDArray

Convolution = tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.float32], bool]  # OHWI or 1HWO, biases, scales


def write_tflite(path: Path, layers: list[Convolution]) -> None:
    """Write layers: weights, biases, the scales of both, and whether each channel is filtered by itself."""
    builder = flatbuffers.Builder(1 << 20)
    buffers, tensors, operators = [], [], []

    def vector(numbers: list[int]) -> int:
        builder.StartVector(4, len(numbers), 4)
        for number in reversed(numbers):
            builder.PrependUOffsetTRelative(number)
        return int(builder.EndVector())

    def tensor(array: NDArray[np.generic], kind: int, scales: NDArray[np.float32]) -> int:
        data = builder.CreateNumpyVector(np.frombuffer(array.tobytes(), np.uint8))
        tflite.BufferStart(builder)
        tflite.BufferAddData(builder, data)
        buffers.append(tflite.BufferEnd(builder))
        scale = builder.CreateNumpyVector(scales)
        tflite.QuantizationParametersStart(builder)
        tflite.QuantizationParametersAddScale(builder, scale)
        quantization = tflite.QuantizationParametersEnd(builder)
        shape = builder.CreateNumpyVector(np.array(array.shape, np.int32))
        tflite.TensorStart(builder)
        tflite.TensorAddShape(builder, shape)
        tflite.TensorAddType(builder, kind)
        tflite.TensorAddBuffer(builder, len(buffers) - 1)
        tflite.TensorAddQuantization(builder, quantization)
        tensors.append(tflite.TensorEnd(builder))
        return len(tensors) - 1

    for weights, biases, scales, depthwise in layers:
        places = [tensor(weights, tflite.TensorType.INT8, scales), tensor(biases, tflite.TensorType.INT32, scales)]
        inputs = builder.CreateNumpyVector(np.array([0, *places], np.int32))
        tflite.OperatorStart(builder)
        tflite.OperatorAddOpcodeIndex(builder, int(depthwise))
        tflite.OperatorAddInputs(builder, inputs)
        operators.append(tflite.OperatorEnd(builder))
    kept = vector(tensors), vector(operators)
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, kept[0])
    tflite.SubGraphAddOperators(builder, kept[1])
    graph = tflite.SubGraphEnd(builder)
    codes = []
    for code in (tflite.BuiltinOperator.CONV_2D, tflite.BuiltinOperator.DEPTHWISE_CONV_2D):
        tflite.OperatorCodeStart(builder)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, code)
        codes.append(tflite.OperatorCodeEnd(builder))
    parts = vector(codes), vector([graph]), vector(buffers)
    tflite.ModelStart(builder)
    tflite.ModelAddOperatorCodes(builder, parts[0])
    tflite.ModelAddSubgraphs(builder, parts[1])
    tflite.ModelAddBuffers(builder, parts[2])
    builder.Finish(tflite.ModelEnd(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
