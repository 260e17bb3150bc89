"""Whether more of a metric is better, or less, where its name says so.

Only names that mean one thing are here. ``score``, ``distance`` or ``correlation`` alone say
nothing, and nobody guesses: who asks is told None.
"""

from __future__ import annotations

import re

_MORE = """
    acc accuracy auc auroc roc_auc auc_roc auprc pr_auc auc_pr prc ap map precision recall
    sensitivity specificity tpr tnr ppv npv true_positive_rate true_negative_rate true_positives
    true_negatives negative_predictive_value f1 f2 f_beta fbeta fscore f_score f_measure
    iou io_u miou jaccard dice dice_coef dsc r2 explained_variance psnr ssim vmaf
    bleu rouge rouge1 rouge2 rougel rougelsum meteor chrf bertscore cider exact_match
    mcc matthews matthews_corrcoef matthews_correlation kappa
    pearson pearsonr pearson_correlation spearman spearmanr spearman_correlation kendall_tau
    concordance_correlation concordance plcc srcc
    cosine_similarity ndcg mrr mean_reciprocal_rank hits hit_rate success_rate win_rate
    reward return inception_score log_likelihood
    neg_mean_squared_error neg_root_mean_squared_error neg_mean_absolute_error
    neg_median_absolute_error neg_mean_squared_log_error neg_log_loss neg_brier_score
"""
_LESS = """
    loss error err error_rate mae mse rmse nrmse mape smape wape mase msle rmsle
    logcosh log_cosh huber hinge crossentropy cross_entropy bce xent nll
    negative_log_likelihood neg_log_likelihood logloss mlogloss kl_divergence js_divergence kld
    poisson perplexity ppl brier deviance crps fid lpips wer cer eer epe ade fde
    fpr fnr false_positive_rate false_negative_rate false_positives false_negatives
    hausdorff hausdorff_distance chamfer_distance edit_distance cosine_distance regret cost aic bic
"""
_MODES = dict.fromkeys(_MORE.split(), "max") | dict.fromkeys(_LESS.split(), "min")
_LONGEST = max(name.count("_") for name in _MODES) + 1
# What may follow the name: which data, which mean, one of many.
_AFTER = """
    val valid validation test train training eval dev step epoch macro micro weighted samples
    binary ovr ovo mean avg average score coefficient coeff index
"""
# What may not come before it, as it turns the name round or makes another number of it.
_TURNED = "neg negative minus inverse inv not no non std stddev var delta diff"


def mode_of(metric: str) -> str | None:
    """``max`` where more of the metric is better, ``min`` where less is, None if none can tell.

    Of whole words: ``val_mean_io_u_1`` is an ``io_u``, ``mape`` is no ``map``. What comes before
    is an output, a kind of data or of mean: ``head_val_accuracy``.
    """
    name = re.sub(r"(^|[^a-z0-9])1\s*-", r"\1minus_", metric.lower())  # 1 - accuracy
    words = re.findall(r"[^\W_]+", name.replace("@", "_at_"))
    if "at" in words[1:]:  # precision_at_recall, hits@10
        del words[words.index("at", 1) :]
    while words:
        for size in range(min(_LONGEST, len(words)), 0, -1):
            mode = _MODES.get("_".join(words[-size:]))
            if mode is not None:
                return None if set(_TURNED.split()) & set(words[:-size]) else mode
        last = words.pop()
        bare = last.rstrip("0123456789")
        if bare != last:  # auc_2, loss2
            words += [bare] if bare else []
        elif last not in _AFTER.split():
            return None
    return None
