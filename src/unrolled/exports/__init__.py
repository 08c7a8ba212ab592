"""A trained net leaves Python as ONNX, whatever its cell: `unrolled.export(model, "m.onnx")`."""
