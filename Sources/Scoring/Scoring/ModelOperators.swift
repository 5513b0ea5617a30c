/// Which ONNX operators a model may use.
///
/// The list holds what exporters of dense networks, embeddings, trees, linear models and static
/// quantisation write. What is not on it is refused: operators with inner graphs may never end,
/// random ones score a row differently each time, and others need types that no column has.
enum ModelOperators {
    /// Why an operator is refused, or nil if it may be used.
    static func reasonToRefuse(_ name: String, domain: String) -> String? {
        switch domain {
        case "", "ai.onnx":
            if standard.contains(name) { return nil }
            if controlFlow.contains(name) {
                return "control flow and sequences are not accepted, since they may never end"
            }
            if random.contains(name) { return "a score must not depend on chance" }
            if name == "DynamicQuantizeLinear" {
                return "dynamic quantisation makes a row's score depend on the rows beside it; "
                    + "quantise statically (QDQ)"
            }
            return "it is not on the list of accepted operators"
        case "ai.onnx.ml":
            if machineLearning.contains(name) { return nil }
            if name == "ZipMap" {
                return "its output is no tensor; export with the option zipmap=False"
            }
            return "it is not on the list of accepted operators"
        default:
            return "only operators of ai.onnx and ai.onnx.ml are accepted"
        }
    }

    private static let standard: Set<String> = [
        // Arithmetic.
        "Abs", "Acos", "Acosh", "Add", "Asin", "Asinh", "Atan", "Atanh", "BitShift", "Ceil",
        "Clip", "Cos", "Cosh", "Div", "Erf", "Exp", "Floor", "IsInf", "IsNaN", "Log", "Max",
        "Mean", "Min", "Mod", "Mul", "Neg", "Pow", "Reciprocal", "Round", "Sign", "Sin", "Sinh",
        "Sqrt", "Sub", "Sum", "Tan",
        // Comparison and logic.
        "And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or", "Where",
        "Xor",
        // Activation.
        "Celu", "Elu", "Gelu", "HardSigmoid", "HardSwish", "Hardmax", "LeakyRelu", "LogSoftmax",
        "Mish", "PRelu", "Relu", "Selu", "Sigmoid", "Softmax", "Softplus", "Softsign", "Swish",
        "Tanh", "ThresholdedRelu",
        // Products, normalisation, recurrent and attention layers.
        "Attention", "BatchNormalization", "Conv", "CumSum", "Dropout", "Einsum", "GRU", "Gemm",
        "GroupNormalization", "InstanceNormalization", "LSTM", "LayerNormalization",
        "LpNormalization", "MatMul", "MeanVarianceNormalization", "RMSNormalization",
        // Reduction and selection.
        "ArgMax", "ArgMin", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool",
        "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
        "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "TopK",
        // Shapes and indexes.
        "Cast", "CastLike", "Concat", "Constant", "ConstantOfShape", "Expand", "Flatten", "Gather",
        "GatherElements", "GatherND", "Identity", "OneHot", "Pad", "Range", "Reshape",
        "ScatterElements", "ScatterND", "Shape", "Size", "Slice", "Split", "Squeeze", "Tile",
        "Transpose", "Trilu", "Unsqueeze",
        // Static quantisation.
        "DequantizeLinear", "QLinearConv", "QLinearMatMul", "QuantizeLinear",
    ]

    private static let machineLearning: Set<String> = [
        "ArrayFeatureExtractor", "Binarizer", "CategoryMapper", "FeatureVectorizer", "Imputer",
        "LabelEncoder", "LinearClassifier", "LinearRegressor", "Normalizer", "OneHotEncoder",
        "SVMClassifier", "SVMRegressor", "Scaler", "TreeEnsemble", "TreeEnsembleClassifier",
        "TreeEnsembleRegressor",
    ]

    private static let controlFlow: Set<String> = [
        "ConcatFromSequence", "If", "Loop", "Optional", "OptionalGetElement", "OptionalHasElement",
        "Scan", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase",
        "SequenceInsert", "SequenceLength", "SequenceMap", "SplitToSequence",
    ]

    private static let random: Set<String> = [
        "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
        "RandomUniformLike",
    ]
}
